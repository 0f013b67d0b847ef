"""The order of a batch: the messages to commit together, and those to wait for an earlier one.

Messages for one database keep their order, and come together in a segment. In a FIFO queue the messages of a group keep
theirs, too. Its groups are usually the databases; other producers may mix databases in a group. Then a message begins a
new segment, if the last one of its database runs before its predecessor in the group.

A failed message of a FIFO group goes back, and the later ones of its group go back untried. On its last try SQS moves
it to the dead letters instead, and the group goes on without it. Sent back with it, they would follow it there: SQS
counts each return as a failed delivery of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.queue.message import Message


def segments(messages: Iterable[Message]) -> list[list[Message]]:
    """Split a batch into segments, to be run one after the other; each has messages for one database."""
    found: list[list[Message]] = []
    of_database: dict[str, int] = {}  # the position of its last segment
    of_group: dict[str, int] = {}
    for message in messages:
        earliest = 0 if message.group is None else of_group.get(message.group, 0)
        position = of_database.get(message.database, -1)
        if position < earliest or position < 0:
            position = len(found)
            found.append([])
            of_database[message.database] = position
        found[position].append(message)
        if message.group is not None:
            of_group[message.group] = position
    return found


class Stopped:
    """The FIFO groups that wait for one of their messages."""

    def __init__(self, groups: Iterable[str] = ()) -> None:
        self._groups = set(groups)

    def copy(self) -> Stopped:
        return Stopped(self._groups)

    def holds(self, message: Message) -> bool:
        return message.group in self._groups

    def note_failure(self, message: Message) -> None:
        if message.group is not None and not message.is_last_try:
            self._groups.add(message.group)

    def note_untried(self, message: Message) -> None:
        if message.group is not None:
            self._groups.add(message.group)
