"""The rights of the template's roles, and the uses of them in deployed stories.

A right is an action on a pattern of resources in a statement that allows it, or on a pattern that a denial excludes. A
story's emulator keeps the uses of rights, with the directory in `RIGHTS_USED` also beyond its end. `make paths` holds
the uses of all its stories against the rights of the template, in all combinations of options: none may be left over,
but for those in UNUSED_HERE, each with its reason.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from sldb.deploy.template import template_text
from sldb.emulator.access.policy import Ground, matches
from sldb.emulator.access.uses import SERVICE, Use
from sldb.emulator.cloudformation.template import load

DIRECTORY = "RIGHTS_USED"  # a variable of the environment
# Rights without a use in any story: role, statement and action as patterns; why, and the code that uses them.
UNUSED_HERE = {
    ("*Role", "SendSegments", "xray:PutTelemetryRecords"): (
        "Lambda's own (its guide, AWS X-Ray); the emulator has no X-Ray, and asks for the other one for a new function",
        "cloudformation/template.yaml: TracingConfig",
    ),
    ("*Role", "ConnectToTheNetwork", "ec2:*PrivateIpAddresses"): (
        "Lambda's own (its guide, Giving Lambda functions access to resources in an Amazon VPC), not asked for before",
        "cloudformation/template.yaml: VpcConfig",
    ),
    ("*Role", "Mount", "elasticfilesystem:ClientWrite"): (
        "the emulator mounts a directory of this machine, where each write is allowed",
        "lambda_handlers/store/directory.py: create",
    ),
    ("ReadRole", "Abort", "s3:AbortMultipartUpload"): (
        "over an S3 that is not AWS's, as the emulator's counts, the function that only reads puts results whole",
        "lambda_handlers/store/s3_multipart.py: abort",
    ),
    ("QueryRole", "DecryptOlderMessages", "kms:Decrypt"): (
        "in the emulator a message counts as encrypted with the present key of its queue",
        "cloudformation/template.yaml: FormerKmsKeys",
    ),
}
_NOTHING = {"Ref": "AWS::NoValue"}
# Names in place of a pattern that the template leaves to a resource.
_ANY, _FIFO, _NOT_FIFO = ".*", r".*\.fifo", r".*(?<!\.fifo)"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    role: str  # its logical name
    policy: str
    sid: str
    action: str
    resource: str  # as in the template, or the name of what it refers to

    def __str__(self) -> str:
        return f"{self.role} {self.policy}/{self.sid} {self.action} on {self.resource}"

    def reasons(self) -> list[tuple[str, str, str]]:
        """Return the keys of UNUSED_HERE that are about this right."""
        own = (self.role, self.sid, self.action)
        return [key for key in UNUSED_HERE if all(map(matches, key, own))]

    def is_used_by(self, use: Use) -> bool:
        ground = use.ground
        return (use.policy, ground.sid, ground.action) == (self.policy, self.sid, self.action) and (
            role_of(use) == self.role and _pattern(self.resource).fullmatch(ground.resource) is not None
        )


def role_of(use: Use) -> str:
    """Return the logical name of a role that CloudFormation has made, from `…role/STACK-NAME-SUFFIX`."""
    return use.entity_arn.rpartition("/")[2].rpartition("-")[0].rpartition("-")[2]


def is_of_the_code(use: Use) -> bool:
    """Return True for a call of a function, or of a service in its name; tests have sessions, too."""
    return use.session == SERVICE or "function" in use.session


@functools.cache
def rights() -> tuple[Right, ...]:
    """Return the rights of all roles of the template, in each combination of options."""
    found: list[Right] = []
    for name, resource in load(template_text()).resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            for policy in _branches(properties.get("Policies", [])):
                found += _of_policy(name, policy)
        if resource["Type"] == "AWS::IAM::Policy":
            for role in _branches(properties["Roles"]):
                found += _of_policy(role["Ref"], properties)
    return tuple(found)


def unused(uses: Iterable[Use]) -> list[Right]:
    """Return the rights without a use, and without a reason for that."""
    used = [use for use in uses if is_of_the_code(use)]
    return [right for right in rights() if not right.reasons() and not any(right.is_used_by(use) for use in used)]


def unknown(uses: Iterable[Use]) -> list[Use]:
    """Return the uses of the template's roles that are of none of its rights: the two would be misread."""
    roles = {right.role for right in rights()}
    own = [use for use in uses if is_of_the_code(use) and role_of(use) in roles]
    return [use for use in own if not any(right.is_used_by(use) for right in rights())]


def keep(uses: Iterable[Use], directory: str | None = os.environ.get(DIRECTORY)) -> None:
    """Write uses into a file of their own, if they are to be kept."""
    if directory:
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps([astuple(use) for use in sorted(uses)])
        (folder / f"{os.getpid()}-{len(list(folder.iterdir()))}.json").write_text(text)


def kept(directory: Path) -> set[Use]:
    """Return the uses in a directory."""
    return {
        Use(entity, session, policy, Ground(*ground), action)
        for file in directory.glob("*.json")
        for entity, session, policy, ground, action in json.loads(file.read_text())
    }


def _of_policy(role: str, policy: Mapping[str, Any]) -> Iterator[Right]:
    for statement in _branches(policy["PolicyDocument"]["Statement"]):
        allows = statement["Effect"] == "Allow"
        for resource in _branches(statement["Resource" if allows else "NotResource"]) if _grants(statement) else ():
            for action in _branches(statement["Action"]):
                yield Right(role, policy["PolicyName"], statement["Sid"], action, _name(resource))


def _grants(statement: Mapping[str, Any]) -> bool:
    return statement["Effect"] == "Allow" or "NotResource" in statement


def _branches(value: Any) -> list[Any]:
    """Return the values that a value can have: those of both branches of a condition, and those in a list."""
    if isinstance(value, dict) and "Fn::If" in value:
        return [each for branch in value["Fn::If"][1:] for each in _branches(branch)]
    if isinstance(value, list):
        return [each for part in value for each in _branches(part)]
    return [] if value == _NOTHING else [value]


def _name(resource: Any) -> str:
    """Return the text of a resource, or the name of what it refers to."""
    if isinstance(resource, str):
        return resource
    ((function, value),) = resource.items()
    if function == "Fn::Sub":
        return str(value if isinstance(value, str) else value[0])
    if function == "Fn::Split":
        return _name(value[1])
    return f"<{value if isinstance(value, str) else value[0]}>"


@functools.cache
def _pattern(resource: str) -> re.Pattern[str]:
    """Return the pattern of the texts that a resource of the template becomes."""
    if resource.startswith("<"):
        kind = resource.strip("<>")
        return re.compile({"FifoQueue": _FIFO, "StandardQueue": _NOT_FIFO}.get(kind, _ANY))
    parts = re.split(r"\$\{[^}]+\}", resource)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))
