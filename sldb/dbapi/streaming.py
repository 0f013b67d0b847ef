"""Large results: their rows are read as the program fetches them.

A target keeps the rows that are too many for a reply in a file: in the store, or in one of this machine. They are those
of the moment of their statement, whatever is done after it, and memory holds a part of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from lambda_handlers.wire import Action, Reply, Request, Result, Row, SldbError
from sldb.dbapi.errors import exception_of

if TYPE_CHECKING:
    from sldb.targets.protocol import ReadRows, StreamingTarget, Target


def streaming(target: Target) -> Target:
    """Return the target, with results that are streamed if it has such."""
    return Streaming(cast("StreamingTarget", target)) if hasattr(target, "stream") else target


class Streaming:
    """A target for one thread at a time: `rows` are those of results in its last reply."""

    def __init__(self, target: StreamingTarget) -> None:
        self._target = target
        self._read: ReadRows | None = None

    @property
    def name(self) -> str:
        return self._target.name

    def send(self, request: Request) -> Reply:
        reply, self._read = self._target.stream(request)
        return reply

    def act(self, action: Action) -> dict[str, Any]:
        return self._target.act(action)

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        return self._target.result(database, request_id)

    def close(self) -> None:
        self._target.close()

    def rows(self, result: Result) -> Iterator[Row]:
        """Yield the rows of a result of the last reply. Raises OperationalError in place of a row."""
        if result.stored is None or self._read is None:
            return iter(result.rows)
        return _read(self._read(result.stored))


def _read(rows: Iterator[Row]) -> Iterator[Row]:
    try:
        yield from rows
    except SldbError as error:
        raise exception_of(error) from error
