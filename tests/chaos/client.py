"""A client that writes and reads until it is killed:

    python -m tests.chaos.client TARGET DATABASE JOURNAL TIMEOUT SEED LARGEST

TARGET as for the command line; TIMEOUT is that of each request, in seconds; LARGEST is the maximum of bytes of a
write's filling; most have far fewer. It sends each request once: only the product's own target, or the checker, sends
it again.
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb.client import Client, open_target
from tests.chaos.bookkeeping import COUNTS, Journal, entry

READS = 0.3  # of all requests
PAUSE_SECONDS = 0.05  # after an error


def main(target: str, database: str, path: str, timeout: str, seed: str, largest: str) -> None:
    random.seed(seed)
    client = Client(open_target(target), database)
    with Journal(Path(path)) as journal:
        while True:
            _ask(client, journal, float(timeout), int(largest))


def _ask(client: Client, journal: Journal, timeout: float, largest: int) -> None:
    attempt_id = uuid.uuid4().hex
    if random.random() < READS:
        kind, size_bytes, request = "read", 0, replace(COUNTS, timeout=timeout)
    else:
        kind, size_bytes = "write", int(largest * random.random() ** 3)
        request = entry(attempt_id, size_bytes, timeout)
    journal.begin(attempt_id, kind, size_bytes)
    try:
        reply = client.execute(request)
    except SldbError as error:
        journal.failed(attempt_id, error)
        time.sleep(PAUSE_SECONDS)
    else:
        journal.replied(attempt_id, reply, kind)


if __name__ == "__main__":
    main(*sys.argv[1:])
