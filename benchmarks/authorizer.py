"""The authorizer: its first authorization, what it takes once warm, and what it costs.

    python -m benchmarks.authorizer

The store and Secrets Manager are servers on loopback, which answer at once: the times are the function's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.workload import best_ms, show
from lambda_handlers.access.callers import KEY, Document, Entry
from lambda_handlers.access.directory import Directory
from lambda_handlers.access.signing_keys import SigningKeys
from lambda_handlers.access.tokens import key_id_of, make_token, new_id
from lambda_handlers.authorizer import MAX_AGE_SECONDS, Authorizer
from lambda_handlers.log import Log
from lambda_handlers.store.metered import MeteredStore
from tests.fakes.clock import Clock
from tests.fakes.gateway import authorizer_event
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.scripted_s3 import BUCKET, Answer, Ask, serve_s3

ROOT = Path(__file__).resolve().parent.parent
SECRET = "s" * 64
TOKEN = make_token(new_id(bytes(16)), SECRET)
CALLERS = (1, 100, 5000)
RATES = (0.1, 1.0, 10.0, 100.0)  # authorizations a second
FIRST = """
import json, os, sys, time
started = time.perf_counter()
from lambda_handlers import authorizer
imported = time.perf_counter()
event = json.loads(sys.argv[1])
assert authorizer.handler(event)["isAuthorized"]
first = time.perf_counter()
best = 1.0
for _ in range(500):
    begun = time.perf_counter()
    authorizer.handler(event)
    best = min(best, time.perf_counter() - begun)
print(*(round(seconds * 1000, 3) for seconds in (imported - started, first - imported, best)))
"""


def main() -> None:
    rows = []
    for callers in CALLERS:
        import_ms, first_ms, warm_ms = _process(callers)
        data = _document(callers).encode()
        decode_ms = best_ms(partial(Document.decode, data), runs=20)
        rows.append((f"{callers:,}", import_ms, first_ms, warm_ms, len(data) / 1024, decode_ms))
    show(
        "Authorizer, by the callers in the list",
        ("", "import ms", "first ms", "warm ms", "KB", "decode ms"),
        rows,
    )
    show(
        "Requests to the store for 1,000 authorizations of one container",
        ("a second", "requests", "to Secrets Manager"),
        [(f"{rate:g}", *_requests(rate)) for rate in RATES],
    )


def _document(callers: int) -> Document:
    entry = Entry("a-caller-of-the-api", frozenset({"main", "orders"}), True, 1_700_000_000_000)
    document = Document((key_id_of(SECRET),)).with_entry(f"token:{new_id(bytes(16))}", entry)
    others = {f"token:{new_id(number.to_bytes(16, 'big'))}": entry.encode() for number in range(1, callers)}
    return Document(document.key_ids, {**document.callers, **others})


def _process(callers: int, runs: int = 5) -> tuple[float, ...]:
    """Return the best of some fresh processes: import, first authorization, and one of a warm container (ms)."""
    with serve_s3() as server:

        def answer(ask: Ask) -> Answer | None:
            is_secret = "x-amz-target" in ask.headers
            return Answer(200, json.dumps({"SecretString": SECRET}).encode()) if is_secret else None

        server.objects[KEY] = (_document(callers).encode(), '"etag"', 1_700_000_000.0)
        server.script = answer
        environment = {
            "SLDB_STORE": f"s3://{BUCKET}",
            "SLDB_TOKEN_SECRET": "keys",
            "SLDB_LOG_LEVEL": "error",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_ENDPOINT_URL": server.url,
        }
        command = [sys.executable, "-c", FIRST, json.dumps(authorizer_event(f"Bearer {TOKEN}"))]
        found = [
            subprocess.run(command, check=True, capture_output=True, encoding="utf-8", env=environment, cwd=ROOT)
            for _ in range(runs)
        ]
    return tuple(min(times) for times in zip(*(map(float, ran.stdout.split()) for ran in found), strict=True))


def _requests(rate: float) -> tuple[int, int]:
    clock, store, secrets = Clock(), MeteredStore(memory_store()), []
    store.put(KEY, _document(1).encode())
    before = store.requests

    def read(stage: str) -> str:
        secrets.append(stage)
        return SECRET

    directory = Directory(store, clock.now, MAX_AGE_SECONDS)
    authorizer = Authorizer(directory, SigningKeys(read, clock.now), Log("error"), clock.now)
    for _ in range(1000):
        assert authorizer.authorize(authorizer_event(f"Bearer {TOKEN}"))["isAuthorized"]
        clock.time += 1 / rate
    return store.requests - before, len(secrets)


if __name__ == "__main__":
    main()
