"""The log: one line of JSON an event, on standard error, from which Lambda takes it.

    {"time": "2026-11-24T02:52:19.123Z", "level": "info", "event": "request", ...}

Callers add names, numbers and identifiers; values of queries never go in. With metrics, a line that is not important
enough to be written is written all the same if metrics come from it, and then has nothing but those.
The standard logging module is not used: importing and configuring it would cost more than this does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from lambda_handlers.settings import LOG_LEVELS, Settings

if TYPE_CHECKING:
    from lambda_handlers.metrics import Metrics


class Lines(Protocol):
    """A stream for text."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Log:
    """Writes events of `level` (one of LOG_LEVELS) and above."""

    def __init__(
        self,
        level: str = "info",
        stream: Lines | None = None,
        now: Callable[[], float] = time.time,
        metrics: Metrics | None = None,
    ) -> None:
        self._lowest = LOG_LEVELS.index(level)
        self._stream = stream  # None: standard error as it is at that time
        self._now = now
        self._metrics = metrics

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], float] = time.time) -> Log:
        """Return the log of a function."""
        if not settings.metrics:
            return cls(settings.log_level, now=now)
        from lambda_handlers.metrics import Metrics  # a cold start without metrics does not need it

        return cls(settings.log_level, now=now, metrics=Metrics(settings))

    def debug(self, event: str, **fields: Any) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        is_hidden, now = LOG_LEVELS.index(level) < self._lowest, self._now()
        metrics = self._metrics.members(event, fields, now) if self._metrics else {}
        if is_hidden and not metrics:
            return
        line = {"time": format_time(now), "level": level, "event": event, **({} if is_hidden else fields), **metrics}
        stream = self._stream or sys.stderr
        # In one piece, so that the lines of several threads and processes do not mix.
        stream.write(json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":")) + "\n")
        stream.flush()


def trace(error: BaseException, after: frozenset[int] = frozenset()) -> str:
    """Return the traceback of an exception and of its causes: types, and no texts, because those may contain anything.
    `after`: the ids of exceptions already shown, since a chain of causes may be a cycle."""
    import traceback  # 3 ms of a cold start

    before = error.__cause__ or error.__context__
    after |= {id(error)}
    own = "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__
    return f"{trace(before, after)}\n{own}" if before and id(before) not in after else own


def format_time(seconds: float) -> str:
    """Return unix seconds as RFC 3339 in UTC, with milliseconds."""
    whole, ms = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{ms:03d}Z"
