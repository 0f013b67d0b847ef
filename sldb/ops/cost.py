"""The cost of a stack over a period, estimated from the logs of its functions and the objects in its bucket.

A query's line in the log has its figures, store requests included. For requests without such a line (actions, errors,
the scheduled function) Lambda's own REPORT line has the billed time; their requests to S3 are in no log, and not
counted. A batch of the queue is one invocation: its line `batch` has the requests to S3 of its groups, and the lines of
what ran alone in it have the others.

No log has the requests to SQS. A message takes three at most: it is sent, received and deleted. Lambda asks an empty
queue as well (`price.polls`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sldb import price
from sldb.ops.logs import LogEvent

MONTH_SECONDS = price.MONTH_SECONDS
_FREE = ("401", "403", "429")
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


def queries(events: Iterable[LogEvent], machine: str, *, in_files: bool = False) -> Iterator[Item]:
    """Yield the costs of the query function: of reading queries, writing queries, batches if there are any, and all
    other requests. `in_files`: the databases are in EFS."""
    events = list(events)
    batches = _batches(events, in_files=in_files)
    kinds: dict[str, list[float]] = {"queries that read": [], "queries that write": []}
    reported: dict[str, float] = {}
    counted: set[str] = set()
    for event in events:
        fields = event.fields
        if fields is None:
            reported.update(_reports(event, machine))
        elif fields.get("aws_request_id") in batches:
            continue
        elif fields["event"] == "request" and "memory_mb" in fields:
            kind = "queries that write" if fields.get("commit_ms") else "queries that read"
            kinds[kind].append(price.estimate(fields, in_files=in_files))
            counted.add(str(fields.get("aws_request_id")))
    yield from (Item(kind, len(each), sum(each)) for kind, each in kinds.items())
    if batches:
        run = sum(dollars for request_id, dollars in reported.items() if request_id in batches)
        yield Item("batches of the queue", len(batches), run + sum(batches.values()))
        counted |= batches.keys()
    others = [dollars for request_id, dollars in reported.items() if request_id not in counted]
    yield Item(f"other requests, without {'EFS' if in_files else 'S3'}", len(others), sum(others))


def _batches(events: Iterable[LogEvent], *, in_files: bool) -> dict[str, float]:
    """Return the batches of the queue: the id of the invocation → the dollars of its requests to the store."""
    lines = [event.fields for event in events if event.fields is not None]
    found = {str(line["aws_request_id"]): 0.0 for line in lines if line["event"] == "batch"}
    for line in lines:
        request_id = str(line.get("aws_request_id"))
        if request_id in found:
            found[request_id] += price.files(line) if in_files else price.store(line)
    return found


def messages(kind: str, events: Iterable[LogEvent], seconds: float) -> Iterator[Item]:
    """Yield the costs of SQS for a queue of a kind (fifo, standard, none), as if it had been read all the time."""
    if kind not in price.SQS_REQUEST:
        return
    each = price.SQS_REQUEST[kind]
    lines = (event.fields for event in events if event.fields is not None)
    deliveries = sum(int(line["messages"]) for line in lines if line["event"] == "batch")
    yield Item("requests to SQS for messages, at most", 3 * deliveries, 3 * deliveries * each)
    polls = price.polls(seconds)
    yield Item("polls of the queue while it is empty", polls, polls * each)


def scheduled(events: Iterable[LogEvent], machine: str, *, in_files: bool = False) -> Item:
    """Return the cost of the scheduled function. `in_files`: the databases are in EFS."""
    return _runs(f"scheduled function, without {'EFS' if in_files else 'S3'}", events, machine)


def authorizer(events: Iterable[LogEvent], machine: str) -> Item:
    """Return the cost of the function that checks tokens."""
    return _runs("authorizer, without S3", events, machine)


def _runs(what: str, events: Iterable[LogEvent], machine: str) -> Item:
    runs = dict(report for event in events for report in _reports(event, machine))
    return Item(what, len(runs), sum(runs.values()))


def requests(events: Iterable[LogEvent], kinds: Mapping[str, str]) -> Iterator[Item]:
    """Yield the costs of the requests to each API, by the access log. `kinds`: of the APIs, by their ids.

    API Gateway charges nothing for requests that it refuses by authorization, API key or limit ("API Gateway pricing"
    in its developer guide, about REST APIs; assumed of HTTP APIs)."""
    counts = dict.fromkeys(kinds.values(), 0)
    for event in events:
        line = _access(event)
        kind = kinds.get(str(line.get("api")))
        if kind is not None and not (line.get("status") in _FREE and line.get("function") in (None, "", "-")):
            counts[kind] += 1
    for kind, count in counts.items():
        each = price.REST_API_REQUEST if kind == "key" else price.HTTP_API_REQUEST
        yield Item(f"requests to the API {kind}", count, count * each)


def secret(seconds: float) -> Item:
    return Item("secret of tokens", 1, price.SECRET_MONTH * seconds / MONTH_SECONDS)


def watching(alarms: int, parameters: Mapping[str, str], events: Iterable[LogEvent], seconds: float) -> Iterator[Item]:
    """Yield the costs of alarms, of their key, of provisioned containers, and of the custom metrics in
    the logs. An hour with data of a metric is billed as one of the month; the free ones are not counted off."""
    months = seconds / MONTH_SECONDS
    if alarms:
        yield Item("alarms", alarms, alarms * price.ALARM_MONTH * months)
    if parameters.get("AlarmMail"):
        yield Item("key of the topic of alarms", 1, price.KMS_KEY_MONTH * months)
    if provisioned := parameters.get("ProvisionedConcurrency"):
        yield Item("provisioned containers", int(provisioned), price.provisioned(parameters, seconds))
    if parameters.get("Dashboard") == "true":
        yield Item("dashboard, if it is not one of three", 1, price.DASHBOARD_MONTH * months)
    hours = {hour for event in events for hour in _metric_hours(event)}
    if hours:
        metrics = len({name for name, _ in hours})
        yield Item("custom metrics", metrics, len(hours) * 3600 / MONTH_SECONDS * price.METRIC_MONTH)


def _metric_hours(event: LogEvent) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield each metric with its dimensions, and its hour."""
    fields = event.fields or {}
    if "_aws" not in fields:
        return
    metadata = fields["_aws"]
    for directive in metadata["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                name = metric["Name"], *(str(fields.get(dimension)) for dimension in dimensions)
                yield name, metadata["Timestamp"] // 3_600_000


def _access(event: LogEvent) -> dict[str, object]:
    """Return a line of the access log; an empty object for another one."""
    try:
        line = json.loads(event.message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def logging(events: Iterable[LogEvent]) -> Item:
    lines = [len(event.message.encode()) + 26 for event in events]  # CloudWatch counts 26 bytes for each event
    return Item("log lines", len(lines), sum(lines) / 1e9 * price.LOG_GB)


def storage(sizes: Iterable[int], seconds: float) -> Item:
    kept = list(sizes)
    return Item("objects kept", len(kept), sum(kept) / (1 << 30) * price.S3_GB_MONTH * seconds / MONTH_SECONDS)


def file_system(size: int, seconds: float) -> Item:
    """Return the cost of a file system of a size in bytes, as if all of it were in the class Standard."""
    gigabytes = size / price.BYTES_PER_GB
    return Item("file system of EFS, at most", 1, gigabytes * price.EFS_GB_MONTH * seconds / MONTH_SECONDS)


def backups(size: int, seconds: float) -> Item:
    """Return the cost of one copy of a file system in AWS Backup."""
    gigabytes = size / price.BYTES_PER_GB
    return Item("backups of EFS, about", 1, gigabytes * price.EFS_BACKUP_GB_MONTH * seconds / MONTH_SECONDS)


def beside_s3(size: int, events: Iterable[LogEvent], seconds: float) -> tuple[float, float]:
    """Return the dollars for the store of a stack in EFS, and for the same use of S3 without its locks: the requests
    with lines in the log, and a file system of a size in bytes."""
    used = [event.fields for event in events if event.fields is not None]
    in_efs = file_system(size, seconds).dollars + backups(size, seconds).dollars
    in_s3 = storage([size], seconds).dollars
    return in_efs + sum(map(price.files, used)), in_s3 + sum(map(price.store, used))


def _reports(event: LogEvent, machine: str) -> Iterator[tuple[str, float]]:
    if match := _REPORT.match(event.message):
        yield match["id"], price.run(float(match["mb"]), float(match["ms"]), machine)
