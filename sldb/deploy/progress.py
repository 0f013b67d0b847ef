"""What an operation on a stack tells while it goes on, and why it failed."""

from __future__ import annotations

from typing import Protocol

from sldb.aws.errors import OperationFailed
from sldb.stack import statuses
from sldb.stack.events import StackEvent, advice, root_cause
from sldb.stack.state import StackState


class Progress(Protocol):
    def note(self, text: str) -> None: ...

    def event(self, event: StackEvent) -> None: ...


def failure(name: str, state: StackState, events: list[StackEvent]) -> OperationFailed:
    """Why a stack did not get where it should, and what to do next."""
    cause = root_cause(events)
    reason = f"{cause.logical_id}: {cause.reason or cause.status}" if cause else state.reason or "no reason was given"
    hint = advice(cause.reason) if cause else ""
    return OperationFailed(
        f"the stack {name} is {state.status}. The first failure: {reason}",
        hint or _after(name, state.status),
        status=state.status,
    )


def _after(name: str, status: str) -> str:
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return "the stack is as it was before; mend the cause and deploy again"
    if status == "DELETE_FAILED":
        return f"mend the cause, and run {statuses.command('destroy', name)} again"
    if status == "UPDATE_ROLLBACK_FAILED":
        return f"mend the cause and deploy again; or {statuses.anew(name)}"
    return "mend the cause and deploy again"
