"""The logs of the functions: read from CloudWatch Logs, and shown in a line for each request.

CloudWatch returns events in no exact order and some of them late, so following a log reads the last seconds again, and
distinguishes the events by their ids.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb import moments
from sldb.aws.errors import aws_errors
from sldb.report import count

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

LATE_SECONDS = 15.0  # an event may appear this long after its time
_POLL_SECONDS = 1.0
_HIDDEN = ("time", "event", "_aws", "Stack", "Database")  # the last three are for CloudWatch's metrics
_PLATFORM = re.compile(r"(START|END|REPORT|INIT_START|INIT_REPORT) ")


@dataclass(frozen=True, slots=True)
class LogEvent:
    id: str
    at_ms: int  # unix milliseconds
    message: str

    @property
    def fields(self) -> dict[str, Any] | None:
        """The fields of a line of the functions' own log; None for other lines."""
        if not self.message.startswith("{"):
            return None
        try:
            decoded = json.loads(self.message)
        except ValueError:
            return None
        return decoded if isinstance(decoded, dict) and "event" in decoded else None


def read(client: CloudWatchLogsClient, group: str, start_ms: int) -> list[LogEvent]:
    """Return all events since then, the oldest first. Raises SldbError."""
    return sorted(stream(client, group, start_ms), key=lambda event: event.at_ms)


def stream(client: CloudWatchLogsClient, group: str, start_ms: int, pattern: str = "") -> Iterator[LogEvent]:
    """Yield all events since then, in CloudWatch's order. `pattern`: of the events, in CloudWatch's syntax; empty: all.
    Raises SldbError."""
    filters: dict[str, Any] = {"filterPattern": pattern} if pattern else {}
    with aws_errors(f"read the log {group}"):
        try:
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=start_ms, interleaved=True, **filters
            )
            for page in pages:
                yield from map(_decode, page.get("events", ()))
        except client.exceptions.ResourceNotFoundException as error:
            raise SldbError(
                "store_error",
                f"there is no log {group}",
                "it was deleted: `sldb deploy` creates it again",
                log=group,
            ) from error


def _decode(event: Any) -> LogEvent:
    at_ms = int(event["timestamp"])
    return LogEvent(str(event.get("eventId") or f"{at_ms}:{event['message']}"), at_ms, str(event["message"]))


def follow(
    client: CloudWatchLogsClient,
    group: str,
    start_ms: int,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogEvent]:
    """Yield each event once, without end."""
    seen: dict[str, int] = {}
    while True:
        for event in read(client, group, start_ms):
            if event.id not in seen:
                seen[event.id] = event.at_ms
                yield event
        start_ms = max(start_ms, int((now() - LATE_SECONDS) * 1000))
        seen = {id_: at_ms for id_, at_ms in seen.items() if at_ms >= start_ms}
        sleep(_POLL_SECONDS)


def about(event: LogEvent, request_id: str) -> bool:
    """Return True if the event belongs to the request, by our id or by Lambda's."""
    fields = event.fields
    if fields is not None:
        return request_id in (fields.get("request_id"), fields.get("aws_request_id"))
    return request_id in event.message.split()


def line_for(event: LogEvent) -> str | None:
    """Return one line for a person; None for Lambda's own lines about each invocation."""
    clock = moments.shown(event.at_ms, to_the_second=True)
    fields = event.fields
    if fields is None:
        message = event.message.rstrip()
        return None if _PLATFORM.match(message) or not message else f"{clock}  {message}"
    if fields["event"] == "request":
        return f"{clock}  {_request(fields)}"
    rest = " ".join(f"{name}={_value(value)}" for name, value in fields.items() if name not in _HIDDEN)
    return f"{clock}  {fields['event']}  {rest}"


def _request(fields: dict[str, Any]) -> str:
    """Return a line such as: main  query  12.3 ms  200  txid 7 · cold · 3 store requests"""
    operation = fields.get("action") or "query"
    status = " ".join(str(fields[name]) for name in ("status", "code") if fields.get(name) is not None)
    notes = []
    if fields.get("txid") is not None:
        notes.append(f"txid {fields['txid']}")
    if fields.get("cold"):
        notes.append("cold")
    if fields.get("lock_wait_ms", 0) >= 1:
        notes.append(f"{fields['lock_wait_ms']:.0f} ms waiting for the lock")
    if "store_requests" in fields:
        notes.append(count(fields["store_requests"], "store request"))
    line = f"{fields.get('database') or '-':<16}  {operation:<8}  {fields.get('ms', 0):>9,.1f} ms  {status:<4}"
    line += "  " + " · ".join(notes) if notes else ""
    return line.rstrip() + (f"\n{fields['traceback'].rstrip()}" if fields.get("traceback") else "")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
