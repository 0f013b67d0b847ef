"""The cost of a stack over a period, estimated from the logs of its functions and the objects in its bucket.

A query's line in the log has its figures, store requests included. For requests without such a line (actions, errors,
the scheduled function) Lambda's own REPORT line has the billed time; their requests to S3 are in no log, and not
counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sldb import price
from sldb.ops.logs import LogEvent

MONTH_SECONDS = 30 * 86_400
_REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\S+).*?Billed Duration: (?P<ms>[\d.]+) ms.*?Memory Size: (?P<mb>\d+) MB", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Item:
    what: str
    count: int
    dollars: float  # over the period; for stored objects, as if all of them had existed for the whole period

    @property
    def each(self) -> float:
        return self.dollars / self.count if self.count else 0.0


def queries(events: Iterable[LogEvent], machine: str) -> Iterator[Item]:
    """Yield the costs of the query function: of reading queries, writing queries, and all other requests."""
    kinds: dict[str, list[float]] = {"queries that read": [], "queries that write": []}
    reported: dict[str, float] = {}
    counted: set[str] = set()
    for event in events:
        fields = event.fields
        if fields is None:
            reported.update(_reports(event, machine))
        elif fields["event"] == "request" and "memory_mb" in fields:
            kind = "queries that write" if fields.get("commit_ms") else "queries that read"
            kinds[kind].append(price.estimate(fields))
            counted.add(str(fields.get("aws_request_id")))
    yield from (Item(kind, len(each), sum(each)) for kind, each in kinds.items())
    others = [dollars for request_id, dollars in reported.items() if request_id not in counted]
    yield Item("other requests, without S3", len(others), sum(others))


def scheduled(events: Iterable[LogEvent], machine: str) -> Item:
    """Return the cost of the scheduled function."""
    runs = dict(report for event in events for report in _reports(event, machine))
    return Item("scheduled function, without S3", len(runs), sum(runs.values()))


def logging(events: Iterable[LogEvent]) -> Item:
    lines = [len(event.message.encode()) + 26 for event in events]  # CloudWatch counts 26 bytes for each event
    return Item("log lines", len(lines), sum(lines) / 1e9 * price.LOG_GB)


def storage(sizes: Iterable[int], seconds: float) -> Item:
    kept = list(sizes)
    return Item("objects kept", len(kept), sum(kept) / (1 << 30) * price.S3_GB_MONTH * seconds / MONTH_SECONDS)


def _reports(event: LogEvent, machine: str) -> Iterator[tuple[str, float]]:
    if match := _REPORT.match(event.message):
        yield match["id"], price.run(float(match["mb"]), float(match["ms"]), machine)
