"""The contract of each server: the object stores' contract, as in a container; two processes that count together, with
each kind of lock; and races, to tell the safe servers.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store.conditional_writes import race_completions, race_creates, race_replaces
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import Reply, Request, Statement
from tests.fakes.stores.s3 import closed, plain_s3
from tests.interop.servers import Server
from tests.lambda_handlers.store import test_protocol

COMPLETES_ATOMICALLY = {"ministack"}


def contract() -> Iterator[tuple[str, object]]:
    """Return the contract's tests of one store."""
    for name, test in vars(test_protocol).items():
        if name.startswith("test_") and {"store", "s3_store"} & set(test.__code__.co_varnames):
            yield name, test


globals().update(contract())


def test_puts_and_replaces_hold_when_they_race(plain: ObjectStore) -> None:
    for race in (race_creates, race_replaces):
        assert race(plain, "race-").holds


def test_completions_that_race_are_as_the_documentation_says(
    server: Server, plain: ObjectStore, store: ObjectStore
) -> None:
    """Where several win, what is large goes as one put, and one wins."""
    # A server that is not atomic wins some rounds, and so perhaps a race.
    held = all(race_completions(plain, f"race-{number}-").holds for number in range(1 if held_by(server) else 5))
    assert held is held_by(server)
    assert race_completions(store, "puts-", 5).holds


def held_by(server: Server) -> bool:
    return server.name in COMPLETES_ATOMICALLY


def test_wrong_keys_are_refused(server: Server, settings: Settings) -> None:
    """SeaweedFS enforces signatures: what we sign by hand and what obstore signs are both right, then."""
    if server.name != "seaweedfs":
        pytest.skip(f"{server.name} takes every signature")
    with pytest.raises(StoreError, match="SignatureDoesNotMatch"):
        plain_s3(replace(settings, credentials=Credentials("test", "another"))).create("a", b"x")


ROOT = Path(__file__).parents[2]
TIMES = 25
LARGE_BYTES = 20 << 20  # random: it does not get smaller


def run(settings: Settings, sql: str) -> Reply:
    with closed(open_store(settings)) as store:
        service = Service(settings, store=store)
        try:
            return service.reply(Request((Statement(sql),), "shared"))
        finally:
            service.close()


def writer(server: Server, settings: Settings, lock: str) -> subprocess.Popen[str]:
    variables = {
        **server.environment(),
        "SLDB_STORE": settings.store,
        "SLDB_LOCK": lock,
        "SLDB_LOCK_RETRY_SECONDS": "0.05",
        "SLDB_LOG_LEVEL": "error",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": tempfile.gettempdir(),
    }
    command = [sys.executable, "-m", "tests.interop.counting", "shared", str(TIMES)]
    return subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_writers_count_together(server: Server, settings: Settings, lock: str) -> None:
    settings = replace(settings, lock="none")
    run(settings, "CREATE TABLE counter (n); INSERT INTO counter VALUES (0)")
    writers = [writer(server, settings, lock) for _ in range(2)]
    told = [each.communicate(timeout=120) for each in writers]

    assert [(each.returncode, out.strip()) for each, (out, _) in zip(writers, told, strict=True)] == [
        (0, str(TIMES))
    ] * 2, told
    reply = run(settings, "SELECT n FROM counter")
    assert (reply.rows[0][0], reply.txid) == (2 * TIMES, 2 * TIMES + 1)


def test_what_is_large_is_committed_and_read(settings: Settings) -> None:
    made = run(settings, f"CREATE TABLE large AS SELECT randomblob({LARGE_BYTES}) AS body")

    found = run(settings, "SELECT length(body), (SELECT * FROM pragma_integrity_check) FROM large")
    assert (found.rows, found.txid) == ([(LARGE_BYTES, "ok")], made.txid)
