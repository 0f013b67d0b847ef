"""Many writers of one database: throughput, fairness and requests, with each kind of lock.

    python -m benchmarks.many_writers [SECONDS]        default: 20, for each row

Each writer is a container of its own that sends one-row updates, one after the other. Time is simulated, so that every
figure repeats: GET takes 15 ms, other requests to the store 30 ms, calls to EC2 250 ms, each 15 % more or less and
applied half-way. EC2 throttles each of its calls by a bucket of tokens: 50 and 5 a second for creates, the same for
deletes, 100 and 20 for describes. Statements take no time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.many_writers.measuring import measure
from benchmarks.workload import show

LOCKS = ("none", "s3", "security-group")
WRITERS = (1, 4, 8, 16, 64)


def table(lock: str, seconds: float, writers: Sequence[int] = WRITERS) -> None:
    rows = []
    for count in writers:
        result = measure(lock, count, seconds)
        lost = " ".join(f"{number} {code}" for code, number in sorted(result.failures.items()))
        rows.append(
            (
                count,
                result.a_second,
                result.requests_a_commit,
                f"{min(result.commits)} to {max(result.commits)}",
                round(result.latency(0.5) * 1000),
                round(result.latency(0.99) * 1000),
                lost or "none",
            )
        )
    head = ("writers", "commits a second", "requests a commit", "commits of a writer", "ms, median", "99 %", "failed")
    show(f"Lock {lock}, {seconds:g} s", head, rows)


def main(arguments: list[str]) -> None:
    seconds = float(arguments[0]) if arguments else 20.0
    for lock in LOCKS:
        table(lock, seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
