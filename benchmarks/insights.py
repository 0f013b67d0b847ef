"""The processor time that insights add to a warm request, in process: read of a row, over a directory.

    python -m benchmarks.insights

Requests with and without it take turns; the least disturbed ones count.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

from benchmarks.workload import container, fill, show
from lambda_handlers.service import Service
from lambda_handlers.store.directory import DirectoryStore

ROUNDS, REQUESTS = 150, 40
CASES = (
    ("with parameters", lambda number: ("SELECT * FROM users WHERE id = ?", [number])),
    ("with literals", lambda number: (f"SELECT * FROM users WHERE id = {number} AND email <> 'x{number}'", None)),
)
Query = Callable[[int], tuple[str, object]]


def processor_us(service: Service, query: Query, first: int) -> float:
    """Return the microseconds of a request."""
    gc.collect()
    gc.disable()
    started = time.process_time()
    for number in range(first, first + REQUESTS):
        sql, params = query(number)
        service.handle({"query": sql, "params": params})
    used = time.process_time() - started
    gc.enable()
    return used / REQUESTS * 1e6


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w", encoding="utf-8") as log:
        store = DirectoryStore(Path(directory))
        # As in a function: with its lines in the log.
        without, watched = (
            container(store, log_level="info", on_lambda=True, insights=insights) for insights in (False, True)
        )
        fill(without, 1_000_000)
        with redirect_stderr(log):
            for name, query in CASES:
                pairs = [
                    (processor_us(without, query, first), processor_us(watched, query, first))
                    for first in range(1, ROUNDS * REQUESTS, REQUESTS)
                ]
                off, on = (min(times) for times in zip(*pairs, strict=True))
                rows.append((name, off, on, (on / off - 1) * 100))
    show("Processor time of a warm read, µs", ("statements", "without", "with insights", "more, %"), rows)


if __name__ == "__main__":
    main()
