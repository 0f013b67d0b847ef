"""`sldb status --drift`: what was changed by hand in the resources of a stack, as CloudFormation detects it.

CloudFormation reads each resource with the caller's rights, which takes a minute or two. Resource types without drift
detection are counted as unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from sldb.aws.errors import OperationFailed, aws_errors
from sldb.aws.polling import Backoff, Sleep, poll
from sldb.ops.status import serving
from sldb.ops.status_report import write_table
from sldb.report import count
from sldb.stack.account import Account
from sldb.stack.cloudformation import Stack

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 5.0
MAX_SHOWN = 60  # characters of a value in the table
_WANTED = ["MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Difference:
    property: str  # its path, such as /Environment/Variables/SLDB_LOCK; empty for a resource that is gone
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Drifted:
    logical_id: str
    type: str
    name: str  # the physical id
    status: str  # MODIFIED or DELETED
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class DriftReport:
    resources: tuple[Drifted, ...]
    checked: int  # resources
    unchecked: tuple[str, ...]  # logical ids of those without drift detection
    problem: str = ""  # of resources that could not be read

    def encode(self) -> dict[str, Any]:
        """Return the report as an object for JSON."""
        resources = [
            {
                "resource": each.logical_id,
                "type": each.type,
                "name": each.name,
                "status": each.status.lower(),
                "differences": [
                    {"property": one.property, "expected": one.expected, "actual": one.actual}
                    for one in each.differences
                ],
            }
            for each in self.resources
        ]
        found = {"drifted": bool(resources), "resources": resources, "checked": self.checked}
        return {**found, "unchecked": list(self.unchecked), "problem": self.problem or None}


def detect(account: Account, stack: str, note: Callable[[str], object], sleep: Sleep) -> DriftReport:
    """Have CloudFormation compare all resources. `note` gets lines about the progress. Raises SldbError."""
    state = serving(account, stack)
    client: Any = account.cloudformation
    with aws_errors(f"detect changes by hand in the stack {stack}"):
        detection = client.detect_stack_drift(StackName=state.id)["StackDriftDetectionId"]
        note(f"CloudFormation compares the resources of {stack} with the template")

        def look() -> Any:
            found = client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
            return None if found["DetectionStatus"] == "DETECTION_IN_PROGRESS" else found

        ended = poll(look, Backoff(FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS), sleep)
        drifts = _drifts(client, state.id)
    problem = ended.get("DetectionStatusReason", "") if ended["DetectionStatus"] == "DETECTION_FAILED" else ""
    if problem and not drifts:
        raise OperationFailed(f"CloudFormation could not compare the resources of {stack}: {problem}")
    checked = {each["LogicalResourceId"] for each in drifts if each["StackResourceDriftStatus"] != "NOT_CHECKED"}
    every = [each.logical_id for each in Stack(account.cloudformation, stack).resources()]
    return DriftReport(
        tuple(_drifted(each) for each in drifts if each["StackResourceDriftStatus"] in _WANTED),
        len(checked),
        tuple(name for name in every if name not in checked),
        problem,
    )


def _drifts(client: Any, stack_id: str) -> list[Any]:
    found, more = list[Any](), dict[str, str]()
    while True:
        page = client.describe_stack_resource_drifts(StackName=stack_id, **more)
        found += page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


def _drifted(found: Any) -> Drifted:
    differences = tuple(
        Difference(each["PropertyPath"], each.get("ExpectedValue", ""), each.get("ActualValue", ""))
        for each in found.get("PropertyDifferences", ())
    )
    status = found["StackResourceDriftStatus"]
    name = found.get("PhysicalResourceId", "")
    return Drifted(found["LogicalResourceId"], found["ResourceType"], name, status, differences)


def show_drift(report: DriftReport, out: TextIO) -> None:
    """Write the report as a table."""
    rows: list[Sequence[str]] = []
    for each in report.resources:
        if each.status == "DELETED":
            rows.append((each.logical_id, "", "exists", f"{each.name} is gone"))
        rows += [(each.logical_id, one.property, *_unequal(one)) for one in each.differences]
    write_table(
        out,
        f"no changes by hand in {count(report.checked, 'resource')}",
        ("resource", "property", "expected", "actual"),
        rows,
    )


def _unequal(found: Difference) -> tuple[str, str]:
    """Return both values; of JSON objects the members that differ, since whole policies would fill the screen."""
    try:
        expected, actual = json.loads(found.expected), json.loads(found.actual)
    except ValueError:
        return _short(found.expected), _short(found.actual)
    while isinstance(expected, dict) and isinstance(actual, dict):
        names = [name for name in {**expected, **actual} if expected.get(name) != actual.get(name)]
        if len(names) != 1:
            expected, actual = ({name: each.get(name) for name in names} for each in (expected, actual))
            break
        inner = expected.get(names[0]), actual.get(names[0])
        if not all(isinstance(each, dict) for each in inner):
            expected, actual = {names[0]: inner[0]}, {names[0]: inner[1]}
            break
        expected, actual = inner
    return _short(_text(expected)), _short(_text(actual))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
