"""Attempts to have the log of requests name other objects, or hold entries that are no replies.

Each attempt goes through the real service, and afterwards the next request, in the same container, finds all as it was.
docs/security.md has the table of these tests.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.sql.own import request_log
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Column, Reply, Result, StoredRows
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store


class SigningStore(PresigningStore):
    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.signed: list[str] = []

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        self.signed += keys
        return super().presign(method, keys, seconds)


def forged(reply: Reply, key: str) -> bytes:
    """An entry that tells of rows at a key."""
    far = Result((Column("a", None),), stored=StoredRows(key, 1))
    return request_log.encode(replace(reply, results=(far,)), lambda body: pytest.fail("it is small"))


FOREIGN_KEYS = [
    "_locks/main/lock.json",
    "main/head.json",
    "main/0000/0000000000000001-0000000000000001.ltx",
    "_replies/../main/head.json",
    "_replies/0123456789abcdef/../../main/head.json",
    "../outside",
    "/etc/passwd",
    "_replies/0123456789ABCDEF",
    "_replies/0123456789abcdef\n",
    "_replies/",
    "_replies/\udcff",
    "",
]


@pytest.mark.parametrize("key", FOREIGN_KEYS)
@pytest.mark.parametrize("form", ["reply", "rows"])
def test_have_the_log_of_requests_name_another_object(tmp_path: Path, key: str, form: str) -> None:
    """The log came from elsewhere: what it names is neither read nor signed, and the request is applied."""
    store = SigningStore(memory_store())
    service = container(store)
    reply = run(service, "CREATE TABLE t (a)", request_id="first")
    entry = forged(reply, key) if form == "rows" else b"key:" + key.encode(errors="replace")
    engine = Engine(store, tmp_path)
    engine.write(f"INSERT INTO _sldb_requests VALUES ('r', {time.time()}, x'{entry.hex()}')")
    engine.close()
    assert act(service, "result", request_id="r")["state"] == "not_applied"
    assert run(service, "INSERT INTO t VALUES (1)", request_id="r").results[0].rowcount == 1
    assert store.signed == []
    assert key.startswith("main/0000") or ("get", key) not in store.calls
    service.close()


ENTRIES = [
    b"",
    b"x",
    b"\x78",
    b"key:",
    zlib.compress(b"[]"),
    zlib.compress(b"null"),
    zlib.compress(b"{}"),
    zlib.compress(b"[" * 100_000),
    zlib.compress(b'{"results": [], "txid": "1", "database": "main"}'),
    zlib.compress(b'{"results": [], "txid": 1, "database": ["main"]}'),
    zlib.compress(
        b'{"results": [{"columns": [], "rows": [[{}]], "rowcount": 1, "lastrowid": 1}], "txid": 1, "database": "main"}'
    ),
    zlib.compress(random.Random(0).randbytes(100_000)),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[:20].hex())
def test_have_the_log_of_requests_hold_what_is_no_reply(tmp_path: Path, entry: bytes) -> None:
    store = memory_store()
    service = container(store)
    run(service, "CREATE TABLE t (a)", request_id="first")
    engine = Engine(store, tmp_path)
    engine.write(f"INSERT INTO _sldb_requests VALUES ('r', {time.time()}, x'{entry.hex()}')")
    engine.close()
    assert act(service, "result", request_id="r")["state"] == "not_applied"
    assert run(service, "INSERT INTO t VALUES (1)", request_id="r").results[0].rowcount == 1
    assert act(service, "result", request_id="r")["txid"] == 3
    service.close()
