"""A batch of a queue: the number of its messages, and their size.

Each message inserts a row; all are for one database, in a warm container of the function, with the lock none. Requests
to SQS itself are not counted.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from benchmarks.curves.figures import Row, Table, measure
from benchmarks.simulated_s3 import SimulatedS3
from benchmarks.workload import container, run
from lambda_handlers.service import Service
from tests.fakes.sqs import Held
from tests.fakes.stores.memory import memory_store

MESSAGES = (1, 10, 100, 1000)  # a FIFO queue gives 10 at most, a standard one 1,000
KILOBYTES = (1, 10, 100, 500)  # Lambda takes 6 MB
BATCH, SMALL_KB = 10, 1
TRIES = 2


def batches(*messages: int) -> Table:
    """Return the curve against the number of messages, of 1 KB each."""
    rows = [_row(number, "a batch", number, SMALL_KB) for number in messages or MESSAGES]
    return Table("queue-batches", "messages", rows)


def messages(*kilobytes: int) -> Table:
    """Return the curve against the size of a message, ten in a batch."""
    rows = [_row(size, "a batch of ten", BATCH, size) for size in kilobytes or KILOBYTES]
    return Table("queue-messages", "KB", rows)


def _row(at: int, operation: str, messages: int, kilobytes: int) -> Row:
    store = SimulatedS3(memory_store())
    service = container(store)
    run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
    ids = (f"message {number}" for number in count())
    row = measure(store, at, operation, lambda: _deliver(service, ids, messages, kilobytes), TRIES)
    service.close()
    a_message = {"ms a message": row.ms / messages, "$ per million messages": row.dollars * 1e6 / messages}
    return replace(row, extra=a_message)


def _deliver(service: Service, ids: Iterator[str], messages: int, kilobytes: int) -> None:
    body = json.dumps({"query": "INSERT INTO t (body) VALUES (?)", "params": [os.urandom(500 * kilobytes).hex()]})
    held = [Held(next(ids), body, None, time.time(), 1) for _ in range(messages)]
    reply: Any = service.handle({"Records": [one.record() for one in held]})
    assert reply == {"batchItemFailures": []}, reply
