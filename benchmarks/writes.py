"""The cost of a one-row write with each lock, warm and cold, on a simulated S3 and EC2: figures of docs/storage.md.

    python -m benchmarks.writes [MEGABYTES …]        default: 1 100

Requests and rounds are exact and repeat; times are this machine's, and contain the simulated latency: of S3 as in
`simulated_s3`, and 250 ms for each call to EC2. The fastest of some tries counts. The limit is what the protocol cannot
do without: the lock taken, the transaction created, and the lock released, unless the request is its client's `last`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.efs import EC2_SECONDS, UPDATE, GroupLock, Place, object_lock, on_s3, prepare
from benchmarks.simulated_s3 import PUT_SECONDS, Figures
from benchmarks.workload import run, show
from lambda_handlers.locks.none import NoLock

TRIES = 20
COLD_TRIES = 5
CREATE_MS, CALL_MS = PUT_SECONDS * 1000, EC2_SECONDS * 1000
HEAD = ("write of one row, lock", "requests to S3", "rounds", "ms", "limit, ms", "ratio")
# Each lock, and the ms to take or to release it.
PLACES: tuple[tuple[str, Callable[[Path], Place], float], ...] = (
    ("none", lambda root: on_s3("none", root, lambda _, host: NoLock(host)), 0.0),
    ("s3", lambda root: on_s3("s3", root, object_lock), CREATE_MS),
    ("security-group", lambda root: on_s3("security-group", root, lambda _, host: GroupLock(host)), CALL_MS),
)


def warm_write(place: Place) -> Figures:
    service = place.cold()
    run(service, UPDATE)  # the first write of a container lists, and looks up its lock
    found = [place.measure(lambda: run(service, UPDATE))[1] for _ in range(TRIES)]
    service.close()
    return min(found, key=lambda figures: figures.ms)


def last_write(place: Place) -> Figures:
    service, found = place.cold(), []
    service.after_reply.put_off(has_thread=False)
    run(service, UPDATE)
    for _ in range(TRIES):
        found.append(place.measure(lambda: run(service, UPDATE, last=True))[1])
        service.after_reply.finish()
    service.close()
    return min(found, key=lambda figures: figures.ms)


def cold_write(place: Place) -> Figures:
    def write() -> None:
        run(service, UPDATE)

    found = []
    for _ in range(COLD_TRIES):
        service = place.cold()
        found.append(place.measure(write)[1])
        service.close()
    return min(found, key=lambda figures: figures.ms)


def measure(size_bytes: int, root: Path) -> None:
    prepare(root / "prepared", size_bytes)
    rows: list[tuple[object, ...]] = []
    for lock, place_in, lock_ms in PLACES:
        shutil.copytree(root / "prepared", root / "run")
        place = place_in(root / "run")
        for name, write in (("warm", warm_write), ("warm and last", last_write), ("cold", cold_write)):
            figures = write(place)
            limit_ms = CREATE_MS + lock_ms * (1 if write is last_write else 2)
            asked = f"{figures.requests} ({figures.by_verb})"
            rows.append((f"{name}, {lock}", asked, figures.rounds, figures.ms, limit_ms, figures.ms / limit_ms))
        shutil.rmtree(root / "run")
    show(f"A database of {size_bytes / 1e6:g} MB", HEAD, rows)


def main(megabytes: list[int]) -> None:
    for size in megabytes:
        with tempfile.TemporaryDirectory() as root:
            measure(size * 1_000_000, Path(root))


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1, 100])
