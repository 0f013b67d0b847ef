"""An operation has ended when the stack is at rest after its beginning, and not by the state before it."""

from __future__ import annotations

from datetime import datetime, timezone

from sldb.stack.events import StackEvent
from sldb.stack.following import follow
from sldb.stack.state import Operation, StackState

STACK = "AWS::CloudFormation::Stack"


def event(number: int, status: str, type_: str = STACK) -> StackEvent:
    return StackEvent(str(number), datetime.fromtimestamp(number, timezone.utc), "x", type_, status)


class Scripted:
    """A stack with one state and the events since then for each look."""

    def __init__(self, *looks: tuple[str, list[StackEvent]]) -> None:
        self.looks = list(looks)
        self.fresh: list[StackEvent] = []

    def describe(self, stack_id: str) -> StackState | None:
        status, self.fresh = self.looks.pop(0)
        return StackState(stack_id, status) if status else None

    def events_since(self, stack_id: str, seen: set[str]) -> list[StackEvent]:
        return [each for each in self.fresh if each.id not in seen]


def end_of(*looks: tuple[str, list[StackEvent]]) -> str:
    stack = Scripted(*looks)
    state, _ = follow(stack, Operation("id", frozenset()), lambda _: None, lambda _: None)
    assert stack.looks == []
    return state.status


def test_an_old_state_with_the_first_event_is_not_the_end() -> None:
    begun, ended = event(1, "UPDATE_ROLLBACK_IN_PROGRESS"), event(2, "UPDATE_ROLLBACK_COMPLETE")
    looks = [("UPDATE_ROLLBACK_FAILED", [begun]), ("UPDATE_ROLLBACK_COMPLETE", [begun, ended])]
    assert end_of(*looks) == "UPDATE_ROLLBACK_COMPLETE"


def test_nor_is_a_late_event_of_the_operation_before() -> None:
    late, begun = event(1, "UPDATE_ROLLBACK_FAILED"), event(2, "UPDATE_ROLLBACK_IN_PROGRESS")
    ended = event(3, "UPDATE_ROLLBACK_COMPLETE")
    looks = [
        ("UPDATE_ROLLBACK_FAILED", [late]),
        ("UPDATE_ROLLBACK_FAILED", [late]),
        ("UPDATE_ROLLBACK_COMPLETE", [late, begun, ended]),
        ("UPDATE_ROLLBACK_COMPLETE", [late, begun, ended]),
    ]
    assert end_of(*looks) == "UPDATE_ROLLBACK_COMPLETE"


def test_a_stack_that_is_gone_is_the_end() -> None:
    assert end_of(("", [])) == "DELETE_COMPLETE"


def test_a_stack_without_events_is_believed_after_a_while() -> None:
    assert end_of(*[("UPDATE_COMPLETE", [event(1, "CREATE_IN_PROGRESS", "AWS::S3::Bucket")])] * 31) == "UPDATE_COMPLETE"
