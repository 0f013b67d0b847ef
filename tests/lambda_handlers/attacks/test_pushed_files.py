"""Attempts to bring tables of sldb's own with a pushed file.

Each attempt goes through the real service, and afterwards the next request, in the same container, finds all as it was.
docs/security.md has the table of these tests.
"""

from __future__ import annotations

import base64
import random
import time
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from lambda_handlers.sql.own import request_log
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, SldbError
from sldb.push_pull import own_names
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.uploads import upload
from tests.lambda_handlers.attacks.attempts import LOG

BROUGHT = [
    LOG.format("_sldb_requests"),
    LOG.format("_SLDB_Requests"),
    LOG.format("_sldb_requests")
    + "CREATE TRIGGER g AFTER INSERT ON _SLDB_REQUESTS BEGIN INSERT INTO t VALUES (9, 9); END;",
    LOG.format("_sldb_requests") + "CREATE UNIQUE INDEX i ON _sldb_requests (length(id));",
    "CREATE VIEW _sldb_requests AS SELECT 'r' AS id, 9e9 AS recorded_at, x'00' AS reply;",
    (
        "CREATE TABLE _sldb_mine (a REFERENCES t ON DELETE CASCADE); INSERT INTO _sldb_mine VALUES (1);"
        "CREATE TRIGGER _sldb_g AFTER DELETE ON _sldb_mine BEGIN SELECT RAISE(ABORT, 'no'); END;"
    ),
    "CREATE INDEX _sldb_requests ON t (b);",
    "CREATE TRIGGER _sldb_g BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'no'); END;",
    "CREATE VIRTUAL TABLE _sldb_f USING fts5(a); INSERT INTO _sldb_f VALUES ('x');",
    "PRAGMA journal_mode = WAL;" + LOG.format("_sldb_requests"),
    "PRAGMA auto_vacuum = FULL; VACUUM;" + LOG.format("_sldb_requests"),
]


def database_file(path: Path, *scripts: str) -> Path:
    connection = apsw.Connection(str(path))
    for script in ("PRAGMA synchronous = OFF", *scripts):
        list(connection.execute(script))
    connection.close()
    return path


def many_tables(number: int) -> str:
    names = random.Random(number)
    return "".join(f"CREATE TABLE t{names.randbytes(40).hex()} (a);" for _ in range(number))


def names_of_ours(store: ObjectStore, database: str = "main") -> list[object]:
    rows = state(store, database)[1:]
    return [name for _, name, *_ in rows if str(name).lower().startswith("_sldb_")]


@pytest.mark.parametrize("script", BROUGHT, ids=range(len(BROUGHT)))
def test_push_a_file_with_a_log_of_its_own(tmp_path: Path, script: str) -> None:
    """What it says of requests is not believed, whatever it is: it is left out."""
    store = memory_store()
    entry = request_log.encode(Reply((), 1, "main"), lambda body: pytest.fail("it is small")).hex()
    forged = (
        f"INSERT INTO _sldb_requests VALUES ('r', {time.time()}, x'{entry}')" if "recorded_at REAL" in script else ""
    )
    file = database_file(
        tmp_path / "in.db", "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x')", script, forged
    )
    service = container(store)
    act(service, "push_commit", **upload(store, file))
    assert names_of_ours(store) == []
    assert act(service, "result", request_id="r")["state"] == "not_applied"
    assert run(service, "INSERT INTO t VALUES (2, random()) RETURNING b", request_id="r").rows
    first = run(service, "SELECT * FROM t")
    assert run(service, "INSERT INTO t VALUES (2, random()) RETURNING b", request_id="r").txid == first.txid
    assert run(service, "SELECT * FROM t").rows == first.rows
    run(service, "PRAGMA foreign_keys = ON; DELETE FROM t", request_id="s")
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]
    service.close()


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
@pytest.mark.parametrize("tables", [0, 150], ids=["one part", "several"])
@pytest.mark.parametrize("script", BROUGHT[:9], ids=range(9))
def test_push_such_a_file_with_another_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, tables: int, encoding: str
) -> None:
    """One that leaves nothing out: the function looks, too, and refuses."""
    store = memory_store()
    monkeypatch.setattr(own_names, "find", lambda connection: [])
    monkeypatch.setattr("sldb.push_pull.encoding.PART_BYTES", 10_000)
    monkeypatch.setattr("lambda_handlers.actions.transfer.push.MIN_PART_BYTES", 5_000)
    file = database_file(
        tmp_path / "in.db",
        f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
        f"BEGIN; {many_tables(tables)}",
        script,
        f"{many_tables(tables + 1)}; COMMIT" if tables else "COMMIT",
    )
    ready = upload(store, file)
    assert (len(ready["parts"]) > 2) == bool(tables)
    service = container(store)
    with pytest.raises(SldbError, match=r"names that are reserved for sldb: _(sldb|SLDB)_") as caught:
        act(service, "push_commit", **ready)
    assert caught.value.code == "bad_request"
    assert state(store) == []
    service.close()


def test_push_a_file_whose_page_map_shows_another_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_store()
    monkeypatch.setattr(own_names, "find", lambda connection: [])
    honest, forged = (
        database_file(
            tmp_path / f"{table}.db",
            f"BEGIN; {many_tables(100)} CREATE TABLE {table} (a); {many_tables(101)}",
            f"INSERT INTO {table} VALUES (randomblob(200000)); COMMIT",
        )
        for table in ("xsldb_requests", "_sldb_requests")
    )
    one, other = upload(store, honest), upload(store, forged)
    for ready, another in ((one, other), (other, one)):
        shown = dict(PageMap.decode(base64.b64decode(another["page_map"])).carried)
        page_map = PageMap.decode(base64.b64decode(ready["page_map"]))
        assert len(page_map.carried) > 10
        hiding = replace(page_map, carried=tuple((pgno, shown[pgno]) for pgno, _ in page_map.carried))
        service = container(store)
        with pytest.raises(SldbError) as caught:
            act(service, "push_commit", **{**ready, "page_map": base64.b64encode(hiding.encode()).decode()})
        assert caught.value.code in ("corrupt", "bad_request")
        assert state(store) == []
        service.close()


def test_push_a_file_whose_virtual_table_would_keep_its_data_in_ours(tmp_path: Path) -> None:
    file = database_file(tmp_path / "in.db", "CREATE VIRTUAL TABLE _sldb USING fts5(a)")
    with pytest.raises(SldbError, match="keeps its data"):
        upload(memory_store(), file)
