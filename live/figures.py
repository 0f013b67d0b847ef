"""Cold and warm reads and writes, as the client waits for them and as the function counts them.

A request is cold if its container has never run one (its reply has `init_ms`). Requests at
the same time make the service start containers: each of them is cold, or meets a warm one.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambda_handlers.wire import Reply
from live.stage import Stage
from sldb import price

READ = "SELECT count(*) FROM figures WHERE id = 1"
CREATE = "CREATE TABLE IF NOT EXISTS figures (id INTEGER PRIMARY KEY, note)"
WRITE = "INSERT INTO figures (note) VALUES ('live')"


@dataclass(frozen=True, slots=True)
class Sample:
    lock: str
    operation: str  # cold read, warm write, …
    waited_ms: float
    function_ms: float  # with the start of its container
    store_requests: int
    dollars: float


def measure(stage: Stage, lock: str, count: int) -> list[Sample]:
    """Measure warm reads and writes, `count` of each, and reads side by side."""
    stage.restart()
    samples = [_sample(lock, "write", *stage.timed(CREATE))]
    samples += [_sample(lock, "write", *stage.timed(WRITE)) for _ in range(count)]
    samples += [_sample(lock, "read", *stage.timed(READ)) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        samples += [_sample(lock, "read", *each) for each in pool.map(lambda _: stage.timed(READ), range(count))]
    return samples


def _sample(lock: str, operation: str, waited_ms: float, reply: Reply) -> Sample:
    stats = reply.stats
    temperature = "cold" if "init_ms" in stats else "warm"
    function_ms = stats["ms"] + stats.get("init_ms", 0.0)
    return Sample(
        lock, f"{temperature} {operation}", waited_ms, function_ms, stats["store_requests"], price.estimate(stats)
    )


def table(samples: Iterable[Sample]) -> list[str]:
    """Return the rows of a Markdown table: medians of each operation with each lock."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.lock, sample.operation), []).append(sample)
    return [_row(*key, found) for key, found in sorted(groups.items())]


def _row(lock: str, operation: str, samples: Sequence[Sample]) -> str:
    waited, function, dollars = (
        statistics.median(getattr(sample, name) for sample in samples)
        for name in ("waited_ms", "function_ms", "dollars")
    )
    requests = statistics.median(sample.store_requests for sample in samples)
    figures = f"{waited:,.0f} ms | {function:,.0f} ms | {requests:g} | ${dollars * 1_000_000:,.2f}"
    return f"| {lock} | {operation} | {len(samples)} | {figures} |"
