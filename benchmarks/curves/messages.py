"""The size of a message: rows in a reply, and parameters in a request, of a warm container of a function."""

from __future__ import annotations

import json

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.workload import container, run
from tests.fakes.stores.memory import memory_store

KILOBYTES = (1, 10, 100, 1000, 5000, 10_000, 50_000)
MAX_REQUEST_KB = 5000  # Lambda takes 6 MB
REPLY_LIMIT_BYTES = 6_000_000  # and gives as much


def table(*kilobytes: int) -> Table:
    store = SimulatedS3(memory_store())
    service = container(store, reply_limit_bytes=REPLY_LIMIT_BYTES)
    run(service, "CREATE TABLE t (body TEXT)")
    rows = list[Row]()
    for size in kilobytes or KILOBYTES:
        query = {"query": f"SELECT hex(zeroblob(500)) FROM generate_series(1, {size})"}
        rows.append(measure(store, size, "rows in a reply", lambda query=query: _answer(service, query), 3))
        if size <= MAX_REQUEST_KB:
            text = {"query": "SELECT length(?)", "params": ["x" * size * 1000]}
            rows.append(measure(store, size, "parameters in a request", lambda text=text: _answer(service, text), 3))
    service.close()
    return Table("messages", "KB", rows)


def _answer(service, event):
    """Answer an event as the runtime passes it: JSON in, JSON out."""
    reply = service.handle(json.loads(json.dumps(event)))
    assert reply["statusCode"] == 200, reply
    return json.dumps(reply)
