"""An operation of CloudFormation, followed to its end: its events as they happen, and the state of the stack then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sldb.aws.polling import Backoff, Sleep, poll
from sldb.stack.events import StackEvent
from sldb.stack.state import Operation, StackState

OnEvent = Callable[[StackEvent], None]
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 2.0  # between two polls
_MAX_IDLE_LOOKS = 30  # at a stack without events, before the operation is taken for one that does nothing


class Followed(Protocol):
    """A stack; `sldb.stack.cloudformation.Stack` is one."""

    def describe(self, stack_id: str) -> StackState | None: ...

    def events_since(self, stack_id: str, seen: set[str]) -> list[StackEvent]: ...


def follow(
    stack: Followed, operation: Operation, on_event: OnEvent, sleep: Sleep
) -> tuple[StackState, list[StackEvent]]:
    """Pass each event to `on_event` until the stack is at rest; return its state then, and all events."""
    following = _Following(stack, operation, on_event)
    return poll(following.look, following.backoff, sleep), following.happened


class _Following:
    def __init__(self, stack: Followed, operation: Operation, on_event: OnEvent) -> None:
        self._stack = stack
        self._stack_id = operation.stack_id
        self._seen = set(operation.before)  # ids of events
        self._on_event = on_event
        self._looks = 0
        self.happened: list[StackEvent] = []
        self.backoff = Backoff(FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS)

    def look(self) -> StackState | None:
        """Read the new events; return the state of the stack once the operation has ended."""
        # Right after the call the response may have the old state, and the last event of the operation before may come
        # late. An event of an earlier look that says that the stack is being changed proves that the state is newer.
        has_begun = any(event.of_stack and event.status.endswith("_IN_PROGRESS") for event in self.happened)
        # The state first: events between the two calls are seen, and none is missed at the end.
        state = self._stack.describe(self._stack_id) or StackState(self._stack_id, "DELETE_COMPLETE")
        fresh = self._stack.events_since(self._stack_id, self._seen)
        for event in fresh:
            self._seen.add(event.id)
            self._on_event(event)
        self.happened += fresh
        if fresh:
            self.backoff.reset()
        is_idle = self._looks >= _MAX_IDLE_LOOKS
        self._looks += 1
        return state if state.gone or (state.is_at_rest and (has_begun or is_idle)) else None
