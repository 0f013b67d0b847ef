"""The delivery of a reply: how it gets to its client, and the place of rows too many for memory.

direct   the reply has the limit of an invocation; rows beyond it are objects, and get URLs
queued   no client waits for the reply; it goes into the log of requests, and the id is remembered for as long as its
         message may come again (`sql.own.queue_log`)
whole    the client gets one body of any size (`lambda_handlers.http`): such rows stay known by their keys, for the
         code that makes the body of them. With a spool, rows that are only read go there, and not into the store
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import Row, StoredRows

if TYPE_CHECKING:
    from lambda_handlers.sql.own.queue_log import QueuedId


class RowSpool(Protocol):
    held_bytes: int  # of rows that stay in memory

    def store(self, rows: Iterable[Row], check: Callable[[], None]) -> StoredRows:
        """Store rows for the time of one response. `check` raises an error when the request is over."""


@dataclass(frozen=True, slots=True)
class Delivery:
    as_text: bool = False  # it goes out as a string inside another JSON value, at worst with double length
    is_whole: bool = False
    spool: RowSpool | None = None
    held: int = 0  # earlier replies of the same response still in memory: they share it
    queued: QueuedId | None = None  # of a message of a queue
    headers: Mapping[str, str] | None = None  # of such a message: the producer's attributes


DIRECT = Delivery()
