"""Checks of what watches a stack: the states of its alarms, and whether their messages arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.deploy.operation.options import has_alarms
from sldb.doctor.finding import Finding, ok, unchecked
from sldb.ops.alarms import ALARM, NO_DATA, AlarmInfo, topic_problem

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

_PAGE = "docs/operations.md says of each alarm what it means and what to do"


def alarm_findings(account: Account, state: StackState, alarms: tuple[AlarmInfo, ...] | None) -> Iterator[Finding]:
    """Yield the findings; none for a stack without alarms."""
    if not has_alarms(state.parameters):
        return
    if alarms is None:
        yield Finding("alarms", "warn", "could not be read", "you need the right cloudwatch:DescribeAlarms")
    else:
        yield states(alarms)
    try:
        problem = topic_problem(account, state)
    except SldbError as error:
        yield unchecked("alarms", error)
        return
    if problem is not None:
        yield Finding("alarms", "warn", problem.message, problem.hint)
    else:
        yield ok("alarms", "their topic has subscribers")


def states(alarms: tuple[AlarmInfo, ...]) -> Finding:
    """Return the finding about the states of alarms."""
    raised = [each.name for each in alarms if each.state == ALARM]
    unknown = [each.name for each in alarms if each.state == NO_DATA]
    if raised:
        return Finding("alarms", "fail", f"raised: {', '.join(raised)}", _PAGE)
    if unknown:
        says = f"not judged yet: {', '.join(unknown)}"
        return Finding("alarms", "warn", says, "a new alarm is judged within minutes; later the metrics have stopped")
    return ok("alarms", f"{len(alarms)}, and none is raised")
