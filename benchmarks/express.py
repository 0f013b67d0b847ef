"""What S3 Express One Zone as the log would bring: the figures of docs/express.md.

    python -m benchmarks.express

The real engine runs over two buckets (two_buckets.py), and its requests to each are counted. They are exact. An
operation sends them one after the other, except for the two PUTs of a fold, so that its time is the sum of the
latencies below. The function's own work (some 2 to 4 ms) comes on top. Sources of the latencies:

- S3 as in the other benchmarks: GET 15 ms, PUT 30 ms.
- S3 as others measured it: 63 ms for a conditional write, the middle of 58 to 68
  (https://cdouglas.github.io/posts/2026/01/conditional, January 2026), and 30 ms until the first byte of a GET
  (Quickwit, 2023).
- A directory bucket: 20 ms for a conditional write, the middle of 14 to 26 in the same measurement, and 5 ms for a GET,
  for AWS's "single-digit milliseconds". A function in another zone waits longer.
- EC2, for security groups as locks: 250 ms a call. AWS publishes no figure.

Prices are those of sldb/price.py, and of https://aws.amazon.com/s3/pricing/ for directory buckets (us-east-1, since
April 2025). Sessions (CreateSession, once in five minutes for a container) are not counted.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.simulated_s3 import GET_SECONDS, PUT_SECONDS, Figures, SimulatedS3
from benchmarks.two_buckets import LEVEL_0, LEVEL_0_AND_LOCK, NOTHING, TwoBuckets
from benchmarks.workload import SCHEMA, run, show
from lambda_handlers.host import Host
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.settings import MIB, Settings
from lambda_handlers.storage.folding import UNIT
from lambda_handlers.storage.listing import list_files
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from sldb import price

READ = "SELECT * FROM users WHERE id = 7"
UPDATE = "UPDATE users SET karma = karma + 1 WHERE id = 7"
MEMORY_MB = 1024  # the template's default
EC2_SECONDS = 0.250
EC2_CALLS = {"none": 0, "s3": 0, "security-group": 2}  # of a write, by the kind of lock
EXPRESS_WRITE = 0.00113 / 1000  # PUT, COPY, POST, LIST
EXPRESS_READ = 0.00003 / 1000  # GET and all others
EXPRESS_GB_UP, EXPRESS_GB_DOWN = 0.0032, 0.0006
EXPRESS_GB_MONTH = 0.11
COMMIT_BYTES = 2000  # of a row's update in a database of 100 MB (docs/storage.md)
COUNTS = (2, 8, 15, 16, 17, 31, 32, 100, 1000)  # of commits
MONTHS = (100_000, 1_000_000, 10_000_000)  # commits


@dataclass(frozen=True, slots=True)
class Latency:
    """The seconds until a store has answered."""

    get: float
    put: float

    def __str__(self) -> str:
        return f"{self.get * 1000:.0f}/{self.put * 1000:.0f}"


STANDARD = (Latency(GET_SECONDS, PUT_SECONDS), Latency(0.030, 0.063))
EXPRESS = Latency(0.005, 0.020)


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of one operation to one bucket; an average."""

    reads: float
    writes: float
    gb_up: float
    gb_down: float

    def __str__(self) -> str:
        parts = ((self.reads, "read"), (self.writes, "write"))
        return ", ".join(f"{number:.2g} {word}" for number, word in parts if number) or "none"

    def seconds(self, latency: Latency) -> float:
        return self.reads * latency.get + self.writes * latency.put


@dataclass(frozen=True, slots=True)
class Operation:
    """The costs of one operation."""

    rest: Requests  # to S3 Standard
    log: Requests  # to the directory bucket
    ec2_calls: int

    @property
    def dollars(self) -> float:
        standard = self.rest.reads * price.S3_READ + self.rest.writes * price.S3_WRITE
        moved = self.log.gb_up * EXPRESS_GB_UP + self.log.gb_down * EXPRESS_GB_DOWN
        return standard + self.log.reads * EXPRESS_READ + self.log.writes * EXPRESS_WRITE + moved

    def ms(self, standard: Latency) -> float:
        return 1000 * (self.rest.seconds(standard) + self.log.seconds(EXPRESS) + self.ec2_calls * EC2_SECONDS)

    def dollars_with_lambda(self, standard: Latency) -> float:
        return self.dollars + price.run(MEMORY_MB, self.ms(standard), "aarch64")


def operations(writes: int = UNIT) -> dict[tuple[str, str], Operation]:
    """Return each warm operation, by its name and the place of the log. `writes` that are a multiple of 16 have their
    part of a fold."""
    found = {}
    for place, in_log, name in (
        ("S3", NOTHING, ""),
        ("directory bucket", LEVEL_0, ""),
        ("directory bucket", LEVEL_0_AND_LOCK, ", its object there too"),
    ):
        for lock in EC2_CALLS if in_log is not LEVEL_0_AND_LOCK else ("s3",):
            with container(in_log, lock) as (service, store):
                if lock == "none":
                    found["read", place] = _measure(service, store, READ, 1, 0)
                found[f"write, lock `{lock}`{name}", place] = _measure(service, store, UPDATE, writes, EC2_CALLS[lock])
    return found


def _measure(service: Service, store: TwoBuckets, query: str, times: int, ec2_calls: int) -> Operation:
    log, rest = store.log, store.rest
    assert isinstance(log, SimulatedS3)
    assert isinstance(rest, SimulatedS3)
    (_, of_rest), of_log = log.measure(lambda: rest.measure(lambda: [run(service, query) for _ in range(times)]))
    together = Figures(of_log.ms, of_log.asked + of_rest.asked)
    assert together.requests - together.rounds <= -(-times // UNIT), "the times are sums, of all but a fold's two PUTs"
    return Operation(_each(of_rest, times), _each(of_log, times), ec2_calls)


def _each(figures: Figures, times: int) -> Requests:
    writes = sum(one.verb in ("PUT", "LIST") for one in figures.asked)
    return Requests(
        (figures.requests - writes) / times, writes / times, figures.up / times / 1e9, figures.down / times / 1e9
    )


@contextmanager
def container(in_log: re.Pattern[str], lock: str) -> Iterator[tuple[Service, TwoBuckets]]:
    """Open a warm container over a small database in two buckets. `in_log`: the keys in the directory bucket."""
    with tempfile.TemporaryDirectory() as root:
        log, rest = (SimulatedS3(DirectoryStore(Path(root) / name)) for name in ("log", "rest"))
        log.is_slow = rest.is_slow = False
        store = TwoBuckets(log, rest, in_log)
        with _service(store, object_lock(store) if lock == "s3" else NoLock(Host())) as service:
            yield service, store


def object_lock(store: ObjectStore) -> WriteLock:
    return ObjectLock(store, Host(), max_age_seconds=900, retry_seconds=1)


@contextmanager
def _service(store: ObjectStore, lock: WriteLock) -> Iterator[Service]:
    kind = "none" if isinstance(lock, NoLock) else "s3"
    settings = Settings(
        store="file:///unused", temp_dir=tempfile.gettempdir(), cache_bytes=64 * MIB, log_level="error", lock=kind
    )
    with closing(Service(settings, Host(), store, lock)) as service:
        run(service, f"{SCHEMA}; INSERT INTO users (id, name) VALUES (7, 'seven')")
        run(service, UPDATE)
        yield service


def lost_with_the_zone(commits: int, has_pass: bool) -> int:
    """Return the number of committed transactions, of so many one-row updates, that are in no file of S3 Standard."""
    with tempfile.TemporaryDirectory() as root:
        rest = DirectoryStore(Path(root) / "rest")
        store = TwoBuckets(DirectoryStore(Path(root) / "log"), rest)
        with _service(store, NoLock(Host())) as service:
            for _ in range(commits - 2):  # two are the container's own
                run(service, UPDATE)
        if has_pass:
            Maintenance(store, Host(), Log("error"), retention_days=30).run(Host().now() + 900, only="main")
        kept = list_files(rest, "main")
        newest = kept.newest if kept.chain_to(kept.newest) else 0
        return list_files(store, "main").newest - newest


def month(commits: float) -> dict[str, float]:
    """Return the dollars for a month of commits whose files are kept for a month, for each way to keep them."""
    gb = commits * COMMIT_BYTES / 1e9
    to_express = commits * EXPRESS_WRITE + gb * EXPRESS_GB_UP
    to_standard = commits * price.S3_WRITE
    return {
        "in S3": to_standard + gb * price.S3_GB_MONTH,
        "in the directory bucket": to_express + gb * EXPRESS_GB_MONTH,
        "moved to S3 after an hour": to_express + commits * EXPRESS_READ + to_standard + gb * price.S3_GB_MONTH,
    }


def rows_of_operations() -> list[tuple[str, ...]]:
    return [
        (
            *names,
            str(one.rest),
            str(one.log),
            *(f"{one.ms(standard):.0f}" for standard in STANDARD),
            *(f"${dollars * 1e6:.2f}" for dollars in (one.dollars, *map(one.dollars_with_lambda, STANDARD))),
        )
        for names, one in operations().items()
    ]


def rows_of_losses(counts: Iterable[int]) -> list[tuple[str, ...]]:
    return [
        (f"{count:,}", *(str(lost_with_the_zone(count, has_pass)) for has_pass in (False, True))) for count in counts
    ]


def rows_of_months() -> list[tuple[str, ...]]:
    return [(f"{commits:,}", *(f"${dollars:.2f}" for dollars in month(commits).values())) for commits in MONTHS]


def main() -> None:
    times = [f"ms, S3 {standard}" for standard in STANDARD]
    prices = ["requests", *(f"with Lambda, S3 {standard}" for standard in STANDARD)]
    head = ("operation", "log in", "to S3", "to the directory bucket", *times, *prices)
    show("Warm operations", head, rows_of_operations())
    show("Lost with the zone", ("committed", "without a pass", "after a pass"), rows_of_losses(COUNTS))
    show("The log of a month, kept for a month", ("commits", *month(1)), rows_of_months())


if __name__ == "__main__":
    main()
