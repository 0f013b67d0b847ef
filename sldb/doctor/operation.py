"""Checks of what watches a stack: the states of its alarms, and whether their messages arrive. And of its provisioned
containers: their number."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lambda_handlers.shared import times
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.deploy.operation.options import has_alarms
from sldb.doctor.finding import Finding, ok, unchecked
from sldb.ops.alarms import ALARM, NO_DATA, AlarmInfo, topic_problem
from sldb.stack.names import ALIAS

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

_LATE, _LATE_SECONDS = "maintenance-late", 1800.0  # the alarm about no run, and the time that it looks at
_PAGE = "docs/operations.md says of each alarm what it means and what to do"


def alarm_findings(account: Account, state: StackState, alarms: tuple[AlarmInfo, ...] | None) -> Iterator[Finding]:
    """Yield the findings; none for a stack without alarms."""
    if not has_alarms(state.parameters):
        return
    if alarms is None:
        yield Finding("alarms", "warn", "could not be read", "you need the right cloudwatch:DescribeAlarms")
    else:
        yield states(alarms, changed_at=state.updated_at, now=time.time())
    try:
        problem = topic_problem(account, state)
    except SldbError as error:
        yield unchecked("alarms", error)
        return
    if problem is not None:
        yield Finding("alarms", "warn", problem.message, problem.hint)
    else:
        yield ok("alarms", "their topic has subscribers")


def provisioned_findings(account: Account, state: StackState) -> Iterator[Finding]:
    """Yield the findings; none for a stack without provisioned containers."""
    if not state.parameters.get("ProvisionedConcurrency"):
        return
    function = state.parameters["FunctionName"]
    try:
        with aws_errors(f"look at the provisioned containers of {function}:{ALIAS}"):
            found = account.functions.get_provisioned_concurrency_config(FunctionName=function, Qualifier=ALIAS)
    except SldbError as error:
        yield unchecked("provisioned", error)
        return
    yield provisioned(found)


def provisioned(found: Mapping[str, Any]) -> Finding:
    """Return the finding about provisioned containers, as Lambda describes them."""
    ready = found.get("AvailableProvisionedConcurrentExecutions", 0)
    says = f"{ready} of {found['RequestedProvisionedConcurrentExecutions']} containers are ready"
    if found["Status"] == "FAILED":
        why = found.get("StatusReason", "Lambda does not say why")
        return Finding("provisioned", "fail", f"{says}: {why}", "others start cold; choose fewer, or a higher quota")
    if found["Status"] != "READY":
        return Finding("provisioned", "warn", f"{says}, and Lambda makes the others", "until then requests start cold")
    return ok("provisioned", says)


def states(alarms: tuple[AlarmInfo, ...], *, changed_at: float, now: float) -> Finding:
    """Return the finding about the states of alarms. `changed_at`: the last change of the stack, in unix seconds."""
    early = [each.name for each in alarms if _is_early(each, changed_at, now)]
    raised = [each.name for each in alarms if each.state == ALARM and each.name not in early]
    unknown = [each.name for each in alarms if each.state == NO_DATA or each.name in early]
    if raised:
        return Finding("alarms", "fail", f"raised: {', '.join(raised)}", _PAGE)
    if unknown:
        says = f"not judged yet: {', '.join(unknown)}"
        return Finding("alarms", "warn", says, "a new alarm is judged within minutes; later the metrics have stopped")
    return ok("alarms", f"{len(alarms)}, and none is raised")


def _is_early(alarm: AlarmInfo, changed_at: float, now: float) -> bool:
    """Return True for the alarm about late maintenance while a new stack has had no time for it: no data counts as late
    there (docs/operations.md)."""
    since = times.read(alarm.since)
    is_new = since is not None and changed_at <= since.start_ms / 1000 and now - changed_at < _LATE_SECONDS
    return alarm.name == _LATE and alarm.state == ALARM and is_new
