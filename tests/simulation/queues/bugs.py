"""Bugs planted into the code of queues; the histories must find each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.queue import batch
from lambda_handlers.queue.group import Group
from lambda_handlers.queue.message import Message
from lambda_handlers.queue.order import Stopped
from lambda_handlers.sql.own import queue_log
from lambda_handlers.storage.replica import Conflict


def _by_database(messages: list[Message]) -> list[list[Message]]:
    names = dict.fromkeys(message.database for message in messages)
    return [[one for one in messages if one.database == name] for name in names]


def _always_stop(self: Stopped, message: Message) -> None:
    if message.group is not None:
        self._groups.add(message.group)


def _ignore(*arguments: Any, **named: Any) -> None:
    return None


def _finish(self: Group, progress: Any) -> int:
    try:
        return real_finish(self, progress)
    except Conflict:
        return self._next_txid


def _record_no_message(
    self: AppliedRequests, session: Any, copy: Any, request_id: Any, reply: Any, queued: Any = None
) -> None:
    real_record(self, session, copy, None if queued else request_id, reply)


real_finish, real_record = Group._finish, AppliedRequests.record

# Name → patches, and the number of seeds that find it.
BUGS: dict[str, tuple[Callable[[], Any], int]] = {
    "a failed message is not undone": (lambda: patch.object(Group, "_is_distrusted", lambda self, error: False), 40),
    "an id is not recorded": (lambda: patch.object(AppliedRequests, "record", _record_no_message), 40),
    "an id is forgotten after an hour": (lambda: patch.object(queue_log, "find", _ignore), 40),
    "the order holds within a database only": (lambda: patch.object(batch, "segments", _by_database), 40),
    "a failure does not stop its group": (lambda: patch.object(Stopped, "note_failure", _ignore), 40),
    "the last try stops the group, too": (lambda: patch.object(Stopped, "note_failure", _always_stop), 40),
    "a lost race counts as won": (lambda: patch.object(Group, "_finish", _finish), 40),
}
