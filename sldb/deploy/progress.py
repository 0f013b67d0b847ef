"""The progress of an operation on a stack, and the reason of its failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from sldb.aws.errors import OperationFailed
from sldb.progress.protocol import Progress as Step
from sldb.stack.events import StackEvent, advice, root_cause
from sldb.stack.state import StackState
from sldb.stack.statuses import REMAKE


class Progress(Protocol):
    def note(self, text: str) -> None: ...

    def event(self, event: StackEvent) -> None: ...

    def working(self, what: str) -> AbstractContextManager[Step]:
        """Show a step while the context is open; it reports its amounts to the value of the context."""


def stack_failure(name: str, state: StackState, events: list[StackEvent]) -> OperationFailed:
    """Return the error for a failed operation, with its reason and the next step."""
    cause = root_cause(events)
    reason = f"{cause.logical_id}: {cause.reason or cause.status}" if cause else state.reason or "no reason was given"
    hint = advice(cause.reason) if cause else ""
    return OperationFailed(
        f"the stack {name} is {state.status}. The first failure: {reason}",
        hint or _next_step(state.status),
        status=state.status,
    )


def _next_step(status: str) -> str:
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return "the stack is as it was before; fix the cause and deploy again"
    if status == "DELETE_FAILED":
        return "fix the cause, and run `sldb destroy` again"
    if status == "UPDATE_ROLLBACK_FAILED":
        return f"fix the cause and deploy again; or {REMAKE}"
    return "fix the cause and deploy again"


def left_behind(events: list[StackEvent]) -> Iterator[str]:
    """Yield what a failed operation has made and does not remove, for people: the template keeps queues and data."""
    for event in events:
        if event.status == "DELETE_SKIPPED":
            remove = (
                f": `aws sqs delete-queue --queue-url {event.physical_id}` removes it"
                if event.type == "AWS::SQS::Queue"
                else ""
            )
            yield f"left behind: {event.logical_id} {event.physical_id}{remove}"
