"""The requests of databases without work: the figures of README.md and docs/storage.md.

    python -m benchmarks.idle [DATABASES …]        default: 100 1000 10000

The scheduled function runs for a day, minute by minute, over databases of three transactions that have been maintained.
Requests are counted by the store, and those to EC2 by the lock's client; both are exact. EC2's calls are free.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from obstore.store import MemoryStore

from benchmarks.workload import container, run, show
from lambda_handlers.aws.ec2 import Ec2, SecurityGroup
from lambda_handlers.deadlock_fix import free_locks
from lambda_handlers.host import Host
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.log import Log
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.s3 import ObstoreStore
from sldb.price import S3_READ, S3_WRITE

MINUTES = 1440
KINDS = ("none", "s3", "security-group")


class CountingEc2:
    """A client of an EC2 without locks."""

    def __init__(self) -> None:
        self.requests = 0

    def describe_security_groups(self, _filters: dict[str, str], _timeout: float = 0.0) -> list[SecurityGroup]:
        self.requests += 1
        return []


@dataclass(frozen=True)
class Minute:
    """The requests of one minute."""

    reads: int  # GET and HEAD
    writes: int  # PUT and LIST
    to_ec2: int

    @property
    def requests(self) -> int:
        return self.reads + self.writes + self.to_ec2


def idle_store(databases: int) -> MeteredStore:
    """Return a store with copies of a maintained database."""
    memory = MemoryStore()
    store = MeteredStore(ObstoreStore(lambda _retries: memory))
    service = container(store)
    for sql in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"):
        run(service, sql)
    service.close()
    Maintenance(store, Host(), Log("error"), retention_days=30).run(Host().now() + 900, only="main")
    objects = {info.key: store.get(info.key) for info in store.list_objects("main/")}
    for number in range(1, databases):
        for key, body in objects.items():
            store.put(key.replace("main/", f"db-{number:06d}/", 1), body)
    return store


def minutes(store: MeteredStore, kind: str, count: int = MINUTES) -> list[Minute]:
    """Run the scheduled function for so many minutes, in one container."""
    began, passed = time.time(), [0.0]
    host = Host(now=lambda: began + passed[0])
    ec2 = CountingEc2()
    log = Log("error")
    lock = _lock(kind, store, host, ec2)
    maintenance = Maintenance(store, host, log, retention_days=30)
    found = []
    for minute in range(count):
        passed[0] = minute * 60.0
        before = store.requests, store.writes, ec2.requests
        free_locks(lock, host, log, host.now() + 55)
        maintenance.run(host.now() + 900)
        requests, writes = store.requests - before[0], store.writes - before[1]
        found.append(Minute(requests - writes, writes, ec2.requests - before[2]))
    return found


def _lock(kind: str, store: MeteredStore, host: Host, ec2: CountingEc2) -> WriteLock:
    times = {"max_age_seconds": 90.0, "retry_seconds": 1.0}
    if kind == "s3":
        return ObjectLock(store, host, **times)
    if kind == "security-group":
        return SecurityGroupLock(cast("Ec2", ec2), host, stack="idle", vpc_id="vpc-1", **times)
    return NoLock(host)


def dollars_a_month(day: Sequence[Minute]) -> float:
    return 30 * sum(minute.reads * S3_READ + minute.writes * S3_WRITE for minute in day)


def main(sizes: Sequence[int]) -> None:
    rows = []
    for size in sizes:
        for kind in KINDS:
            day = minutes(idle_store(size), kind)
            counts = [minute.requests for minute in day]
            dollars = f"{dollars_a_month(day):.2f}"
            rows.append((size, kind, sorted(counts)[len(counts) // 2], max(counts), sum(counts), dollars))
    show("Databases without work", ("databases", "lock", "a minute", "at most", "a day", "$ a month"), rows)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [100, 1000, 10_000])
