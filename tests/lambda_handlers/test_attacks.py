"""What somebody may try who can send requests, seen from their side. docs/security.md has the table of these tests.

Each attempt goes through the real service, and afterwards the next request, in the same container, finds all as it was.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from lambda_handlers.service import Service
from lambda_handlers.sql import request_log
from lambda_handlers.sql.attachment import Attachment
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import DATABASE_NAME, Column, Reply, Result, SldbError, StoredRows
from sldb.push_pull import own_names
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.uploads import upload

SECRET = "wJalrXUtnFEMI-the-secret-key"
REFUSED = {"forbidden", "sql_error", "read_only", "bad_request", "not_found", "constraint"}


@pytest.fixture
def store() -> ObjectStore:
    return memory_store()


@pytest.fixture
def service(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """With a table of the user's, and the table of requests; and credentials in the environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    service = container(store, log_level="debug")
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x')", request_id="first")
    run(service, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES ('hidden')", database="other")
    yield service
    service.close()


def tried(service: Service, query: str, **fields: object) -> object:
    """What came of an attempt that need not fail: the reply, or the error as it reaches the one who tried."""
    try:
        return run(service, query, **fields)
    except SldbError as error:
        if error.code not in REFUSED:
            raise
        return error.encode()


def refusal(service: Service, query: str, **fields: object) -> SldbError:
    """The error, once it is sure that nothing came of the attempt."""
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    unharmed(service)
    return caught.value


def unharmed(service: Service) -> None:
    """The next request is served as if nothing had been before it."""
    assert run(service, "SELECT * FROM t").rows == [(1, "x")]
    assert run(service, "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1").rows == [
        ("_sldb_requests",),
        ("_sldb_requests_by_age",),
        ("t",),
    ]
    assert run(service, "SELECT id FROM _sldb_requests").rows == [("first",)]
    assert run(service, "SELECT * FROM theirs", database="other").rows == [("hidden",)]
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]
    assert run(service, "SELECT count(*) FROM sqlite_temp_schema").rows == [(0,)]
    assert run(service, "INSERT INTO t VALUES (2, 'y') RETURNING b", request_id="next", dry_run=True).rows == [("y",)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT readfile('/proc/self/environ')",
        "ATTACH '/proc/self/environ' AS o",
        "ATTACH 'file:/proc/self/environ?mode=ro&immutable=1' AS o",
        "ATTACH '/proc/self/environ' AS o; SELECT * FROM o.sqlite_schema",
        "CREATE VIRTUAL TABLE e USING csv(filename='/proc/self/environ')",
        "CREATE VIRTUAL TABLE e USING fts5(a, content='/proc/self/environ')",
        "SELECT * FROM fsdir('/proc/self')",
        "SELECT edit('x', 'cat /proc/self/environ')",
        "SELECT * FROM sqlite_dbpage",
        "SELECT zipfile('/proc/self/environ')",
    ],
)
def test_read_credentials_from_the_environment(service: Service, query: str) -> None:
    assert SECRET not in repr(tried(service, query, dry_run=True))
    unharmed(service)


@pytest.mark.parametrize(
    "name",
    [
        "../other",
        "main/../other",
        "other/0000",
        "./other",
        "/other",
        "Other",
        "OTHER",
        "\u043ether",  # a Cyrillic o
        "other\u200b",
        "other ",
        "other\n",
        "other\t@1",
        "file:other",
        "file:other?mode=rwc",
        "other?mode=rw",
        "other@../1",
        "other@1/../../other",
        "other%00",
        "_replies",
        "_sldb_requests",
        ".",
        "..",
        "",
        ":memory:",
        "a" * 64,
    ],
)
def test_reach_what_is_no_database_by_a_name(service: Service, name: str) -> None:
    quoted = name.replace("'", "''")
    assert refusal(service, f"ATTACH '{quoted}' AS o").code in ("forbidden", "not_found")
    assert not DATABASE_NAME.fullmatch(name)
    assert Attachment.parse(name) is None
    for field in ("database",):
        assert refusal(service, "SELECT 1", **{field: name}).code == "bad_request"
    for action, arguments in (("branch", {"as": name}), ("rename_database", {"to": name})):
        with pytest.raises(SldbError) as caught:
            act(service, action, **arguments)
        assert caught.value.code == "bad_request"
    for action in ("history", "restore", "drop_database", "create_database"):
        reply = service.handle({"action": action, "database": name, "arguments": {}})
        assert reply["body"]["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO o.theirs VALUES (1)",
        "DELETE FROM o.theirs",
        "UPDATE o.theirs SET a = 1",
        "DROP TABLE o.theirs",
        "CREATE TABLE o.mine (a)",
        "CREATE INDEX o.i ON theirs (a)",
        "ALTER TABLE o.theirs ADD COLUMN b",
        "ALTER TABLE o.theirs RENAME TO mine",
        "PRAGMA o.user_version = 5",
        "PRAGMA o.application_id = 5",
        "PRAGMA o.incremental_vacuum",
        "ANALYZE o",
        "VACUUM o",
        "VACUUM o INTO '/tmp/x'",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM theirs; END; INSERT INTO t VALUES (5, 5)",
        "CREATE TRIGGER o.g AFTER INSERT ON theirs BEGIN SELECT 1; END",
        "WITH x AS (SELECT 1) INSERT INTO o.theirs SELECT * FROM x",
        "REPLACE INTO o.theirs VALUES (1)",
        "UPDATE o.sqlite_schema SET sql = ''",
        "PRAGMA o.journal_mode = WAL",
        "PRAGMA o.page_size = 512",
        "DETACH main",
        "ATTACH 'other' AS main",
        "ATTACH 'other' AS temp",
    ],
)
def test_write_to_another_database(service: Service, store: ObjectStore, query: str) -> None:
    before = [info.key for info in store.list_objects("other/")]
    error = refusal(service, f"ATTACH 'other' AS o; {query}")
    assert error.code in ("read_only", "forbidden", "sql_error")
    assert [info.key for info in store.list_objects("other/")] == before


@pytest.mark.parametrize(
    "query",
    [
        "VACUUM INTO '{path}'",
        "VACUUM main INTO '{path}'",
        "ATTACH '{path}' AS o; CREATE TABLE o.x (a)",
        "SELECT writefile('{path}', 'x')",
        "PRAGMA temp_store_directory = '{path}'",
        "PRAGMA data_store_directory = '{path}'",
        "PRAGMA journal_mode = PERSIST",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "CREATE VIRTUAL TABLE v USING fsdir('{path}')",
        "SELECT edit('x', 'touch {path}')",
        "EXPLAIN VACUUM INTO '{path}'",
    ],
)
def test_write_files(service: Service, tmp_path: Path, query: str) -> None:
    path = tmp_path / "made"
    before = set(os.listdir(tempfile.gettempdir()))
    tried(service, query.format(path=path))
    unharmed(service)
    assert not path.exists()
    ours = [name for name in set(os.listdir(tempfile.gettempdir())) - before if "etilqs" in name]
    assert ours == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT load_extension('/tmp/evil.so')",
        "SELECT load_extension('/tmp/evil.so', 'entry')",
        "SELECT \"load_extension\"('/tmp/evil.so')",
        "SELECT fts3_tokenizer('simple', x'0000000000000000')",
        "SELECT fts3_tokenizer('simple')",
        "CREATE VIEW v AS SELECT load_extension('x'); SELECT * FROM v",
        "CREATE TABLE u (a DEFAULT (load_extension('x'))); INSERT INTO u DEFAULT VALUES",
        "CREATE TABLE u (a, b AS (load_extension('x'))); INSERT INTO u (a) VALUES (1)",
        "CREATE TABLE u (a CHECK (load_extension('x'))); INSERT INTO u VALUES (1)",
        "CREATE INDEX i ON t (load_extension('x'))",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT load_extension('x'); END; INSERT INTO t VALUES (5, 5)",
        "CREATE VIRTUAL TABLE v USING fts3(a, tokenize=evil)",
        "CREATE VIRTUAL TABLE v USING fts5(a, tokenize='evil /tmp/evil.so')",
        "CREATE VIRTUAL TABLE v USING evil",
        "PRAGMA trusted_schema = ON",
        "EXPLAIN SELECT load_extension('x')",
    ],
)
def test_load_code(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


@pytest.mark.parametrize("function", ["carray(1000, 10)", "carray(1, 1, 'char*')", "fts5vocab('x', 'row')"])
def test_read_memory_by_pointers_that_are_numbers(service: Service, function: str) -> None:
    reply = tried(service, f"SELECT * FROM {function}")
    assert not isinstance(reply, Reply) or reply.rows == []
    unharmed(service)


OWN = [
    "DELETE FROM _sldb_requests",
    "UPDATE _sldb_requests SET reply = x''",
    'UPDATE "_SLDB_REQUESTS" SET id = 1',
    "REPLACE INTO main._sldb_requests VALUES ('first', 9e9, x'')",
    "INSERT INTO _sldb_requests VALUES ('mine', 9e9, x'') ON CONFLICT DO NOTHING",
    "WITH x AS (SELECT 1) DELETE FROM _sldb_requests",
    "DROP TABLE _sldb_requests",
    "DROP INDEX _sldb_requests_by_age",
    "ALTER TABLE _sldb_requests RENAME TO mine",
    "ALTER TABLE _sldb_requests ADD COLUMN x",
    "ALTER TABLE _sldb_requests DROP COLUMN reply",
    "ALTER TABLE _sldb_requests RENAME COLUMN id TO x",
    "ALTER TABLE t RENAME TO _sldb_mine",
    "CREATE TEMP TABLE mine (a); ALTER TABLE mine RENAME TO _sldb_requests",
    "CREATE VIRTUAL TABLE f USING fts5(a); ALTER TABLE f RENAME TO _sldb_f",
    "CREATE TEMP TABLE _sldb_requests (id, recorded_at, reply)",
    "CREATE TEMP VIEW _sldb_requests AS SELECT 1 AS id, 9e9 AS recorded_at, x'' AS reply",
    "CREATE TABLE _sldb_mine (a)",
    'CREATE TABLE "_SLDB_mine" (a)',
    "CREATE TABLE IF NOT EXISTS _sldb_mine AS SELECT 1",
    "CREATE VIEW _sldb_mine AS SELECT 1",
    "CREATE VIRTUAL TABLE _sldb_mine USING fts5(a)",
    "CREATE INDEX _sldb_mine ON t (b)",
    "CREATE UNIQUE INDEX mine ON _sldb_requests (length(id))",
    "CREATE TRIGGER g AFTER INSERT ON _sldb_requests BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON main._sldb_requests BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _sldb_requests; END; INSERT INTO t VALUES (9, 9)",
    (
        "CREATE VIEW v AS SELECT * FROM _sldb_requests;"
        "CREATE TRIGGER g INSTEAD OF DELETE ON v BEGIN DELETE FROM _sldb_requests; END; DELETE FROM v"
    ),
    "CREATE TABLE c (x REFERENCES _sldb_requests (id))",
    "CREATE TABLE c (x); ALTER TABLE c ADD COLUMN y REFERENCES _sldb_requests (id) ON DELETE RESTRICT",
    "SAVEPOINT s; DELETE FROM _sldb_requests; RELEASE s",
    "VACUUM; DELETE FROM _sldb_requests",
]


@pytest.mark.parametrize("query", OWN)
def test_write_to_the_tables_of_sldb(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


PARENTS = [
    "CREATE TEMP TABLE c (a); CREATE TABLE main.c (a TEXT REFERENCES _sldb_requests (id) ON DELETE CASCADE)",
    "CREATE TEMP TABLE c (a); CREATE TABLE main.c (a TEXT REFERENCES _sldb_requests (id) ON DELETE RESTRICT)",
    'CREATE TEMP VIEW c AS SELECT 1; CREATE TABLE main.c (a REFERENCES "_SLDB_Requests")',
    (
        "CREATE TEMP TABLE c (a); CREATE TABLE main.c (a);"
        "ALTER TABLE main.c ADD COLUMN b REFERENCES [_sldb_requests] (id) ON DELETE SET NULL"
    ),
    (
        'CREATE VIRTUAL TABLE temp.pragma_foreign_key_list USING fts5("table");'
        "CREATE TABLE c (a REFERENCES _sldb_requests (id) ON DELETE CASCADE)"
    ),
    'CREATE TABLE pragma_foreign_key_list ("table"); CREATE TABLE c (a REFERENCES _sldb_requests (id))',
    "CREATE TABLE c (a, b, FOREIGN KEY (b) REFERENCES `_sldb_requests` (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE c (a REFERENCES '_sldb_requests' (id) ON UPDATE CASCADE)",
    'CREATE TABLE "odd ""name" (a REFERENCES _sldb_requests (id))',
    "CREATE TABLE c (a REFERENCES/**/_sldb_requests(id)) STRICT",
    "CREATE TABLE c (a REFERENCES _sldb_not_yet (id))",
    "CREATE TEMP TABLE c (a REFERENCES _sldb_requests (id))",
    (
        "PRAGMA legacy_alter_table = ON; CREATE TABLE p (id PRIMARY KEY); CREATE TABLE c (a REFERENCES p);"
        "ALTER TABLE p RENAME TO _sldb_p"
    ),
    "CREATE VIRTUAL TABLE _sldb USING fts5(a)",
    "CREATE VIRTUAL TABLE f USING fts5(a); ALTER TABLE f RENAME TO _SLDB",
    "SAVEPOINT s; CREATE TABLE c (a REFERENCES _sldb_requests (id)); ROLLBACK TO s",
]


@pytest.mark.parametrize("query", PARENTS)
def test_have_a_table_of_sldb_as_the_parent_of_a_foreign_key(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


ACTIONS = ["CASCADE", "RESTRICT", "SET NULL", "CASCADE DEFERRABLE INITIALLY DEFERRED", "NO ACTION"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("setting", ["ON", "OFF"])
def test_a_database_that_has_such_a_foreign_key_already(tmp_path: Path, action: str, setting: str) -> None:
    """Made before it was refused: what sldb does to its table fires no trigger, cascades nowhere, and fails nobody."""
    store, clock = memory_store(), Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a); CREATE TABLE heard (a)", request_id="first")
    engine = Engine(store, tmp_path, clock.host())
    engine.write(
        f"CREATE TABLE x (a TEXT REFERENCES _sldb_requests (id) ON DELETE {action})",
        "CREATE UNIQUE INDEX by_a ON x (a)",
        f"CREATE TABLE y (a REFERENCES x (a) ON DELETE {action})",
        "INSERT INTO y VALUES ('first')",
        "INSERT INTO x VALUES ('first'), ('second')",
        *(
            f"CREATE TRIGGER {when}_{what} {when} {what} ON x BEGIN INSERT INTO heard VALUES ('{what}');"
            f"INSERT OR REPLACE INTO _sldb_requests VALUES ('forged', {clock.time + 3000}, x'00'); END"
            for when in ("before", "after")
            for what in ("DELETE", "UPDATE")
        ),
    )
    engine.close()
    run(service, f"PRAGMA foreign_keys = {setting}; INSERT INTO t VALUES (1)", request_id="second")
    for number in range(3):
        clock.time += 3601
        query = f"PRAGMA foreign_keys = {setting}; PRAGMA recursive_triggers = ON; INSERT INTO t VALUES (1)"
        run(service, query, request_id=f"later {number}")
    assert run(service, "SELECT count(*) FROM heard").rows == [(0,)]
    assert run(service, "SELECT * FROM x").rows == [("first",), ("second",)]
    assert run(service, "SELECT count(*) FROM _sldb_requests WHERE id IN ('first', 'forged')").rows == [(0,)]
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]
    service.close()


def test_such_a_table_can_still_be_changed_and_dropped(tmp_path: Path) -> None:
    store = memory_store()
    service = container(store)
    run(service, "CREATE TABLE t (a)", request_id="first")
    engine = Engine(store, tmp_path)
    engine.write("CREATE TABLE x (a REFERENCES _sldb_requests (id), b)")
    engine.close()
    run(service, "CREATE TABLE u (a); ALTER TABLE u ADD COLUMN _sldb_b; ALTER TABLE x ADD COLUMN _sldb_c")
    run(service, "ALTER TABLE x RENAME TO _sldbx; ALTER TABLE _sldbx RENAME TO x")
    with pytest.raises(SldbError, match="a table of sldb's own"):
        run(service, "ALTER TABLE x ADD COLUMN d REFERENCES _sldb_requests (id)")
    run(service, "ALTER TABLE x DROP COLUMN a; DROP TABLE x")
    service.close()


@pytest.mark.parametrize("ahead_seconds", [120, 3600, 9e9])
def test_an_entry_of_the_future_proves_nothing(tmp_path: Path, ahead_seconds: float) -> None:
    store, clock = memory_store(), Clock()
    service = container(store, host=clock.host())
    reply = run(service, "CREATE TABLE t (a)", request_id="first")
    engine = Engine(store, tmp_path, clock.host())
    entry = request_log.encode(reply, lambda body: pytest.fail("it is small")).hex()
    engine.write(f"INSERT INTO _sldb_requests VALUES ('r', {clock.time + ahead_seconds}, x'{entry}')")
    engine.close()
    assert act(service, "result", request_id="r")["state"] == "not_applied"
    run(service, "INSERT INTO t VALUES (1)", request_id="r")
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    assert act(service, "result", request_id="r")["txid"] == 3
    service.close()


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
    "main/lock.json",
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


LOG = (
    "CREATE TABLE {0} (id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX {0}_by_age ON {0} (recorded_at);"
)
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
    monkeypatch.setattr("lambda_handlers.actions.push.MIN_PART_BYTES", 5_000)
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
    with pytest.raises(SldbError, match=r"names that only sldb may give: _(sldb|SLDB)_") as caught:
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


@pytest.mark.parametrize("query", ["ALTER TABLE mine RENAME TO _sldb_requests", *OWN[19:22]])
def test_take_the_name_of_our_table_before_it_is_there(query: str) -> None:
    service = container(memory_store())
    run(service, "CREATE TABLE mine (id)")
    with pytest.raises(SldbError) as caught:
        run(service, query)
    assert caught.value.code == "forbidden"
    run(service, "INSERT INTO mine VALUES (1)", request_id="r")
    assert run(service, "INSERT INTO mine VALUES (1)", request_id="r").txid == 2
    service.close()


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE _sldb_requests (a)",
        "CREATE VIEW _sldb_requests AS SELECT 'r' AS id, 9e9 AS recorded_at, x'' AS reply",
        "CREATE TABLE _SLDB_Requests (id TEXT PRIMARY KEY, recorded_at REAL CHECK (0), reply BLOB)",
        (
            "CREATE TABLE _sldb_requests (id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL) "
            "WITHOUT ROWID;CREATE TRIGGER g BEFORE INSERT ON _sldb_requests BEGIN SELECT RAISE(ABORT, 'no'); END"
        ),
        LOG.format("_sldb_requests") + "CREATE TRIGGER g AFTER INSERT ON _SLDB_REQUESTS BEGIN "
        "DELETE FROM _sldb_requests WHERE id = new.id; END",
        LOG.format("_sldb_requests") + "CREATE UNIQUE INDEX i ON _SLDB_REQUESTS (length(reply))",
    ],
)
def test_a_database_that_came_with_another_table_of_that_name(tmp_path: Path, schema: str) -> None:
    """Pushed, or written by another program: ours takes its place, and requests are applied once."""
    store = memory_store()
    engine = Engine(store, tmp_path)
    engine.write("CREATE TABLE t (a)", *filter(None, re.split(r";(?=CREATE)", schema)))
    engine.close()
    service = container(store)
    first = run(service, "INSERT INTO t VALUES (random()) RETURNING a", request_id="r")
    assert run(service, "INSERT INTO t VALUES (random()) RETURNING a", request_id="r").rows == first.rows
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    assert act(service, "result", request_id="r")["state"] == "applied"
    service.close()


@pytest.mark.parametrize(
    "query",
    [
        "BEGIN",
        "BEGIN EXCLUSIVE",
        "INSERT INTO t VALUES (9, 9); COMMIT; SELECT nope",
        "INSERT INTO t VALUES (9, 9); END TRANSACTION; SELECT nope",
        "INSERT INTO t VALUES (9, 9); ROLLBACK; INSERT INTO t VALUES (10, 10)",
        "SAVEPOINT s; INSERT INTO t VALUES (9, 9); RELEASE s; SELECT nope",
        "INSERT INTO t VALUES (9, 9); INSERT OR ROLLBACK INTO t VALUES (9, 9)",
        "\ufeffINSERT INTO t VALUES (9, 9); \ufeffCOMMIT",
        "/**/INSERT INTO t VALUES (9, 9); --\nCOMMIT; SELECT nope",
        "PRAGMA user_version = 9; SELECT nope",
    ],
)
def test_commit_half_of_a_request(service: Service, query: str) -> None:
    refusal(service, query)
    assert run(service, "PRAGMA user_version").rows == [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TEMP TABLE t (a, b); INSERT INTO temp.t VALUES (9, 'temporary')",
        "CREATE TEMP VIEW t AS SELECT 9 AS a, 'v' AS b",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA query_only = ON",
        "PRAGMA ignore_check_constraints = ON",
        "PRAGMA reverse_unordered_selects = ON",
        "PRAGMA recursive_triggers = OFF",
        "PRAGMA analysis_limit = 1; PRAGMA busy_timeout = 5000",
        "PRAGMA legacy_alter_table = ON",
        "PRAGMA encoding = 'UTF-16'",
        "PRAGMA read_uncommitted = 1",
        "ATTACH 'other' AS t; SELECT * FROM t.theirs",
        "SAVEPOINT s",
        "SELECT 1; INSERT INTO t VALUES (7, 7); UPDATE t SET b = 'poison'; SELECT nope",
        "DELETE FROM t; INSERT INTO t SELECT value, randomblob(5000) FROM json_each('[7,8,9]'); SELECT nope",
        "UPDATE t SET b = zeroblob(3000000); SELECT nope",
        "DROP TABLE t; CREATE TABLE t (poison); SELECT nope",
    ],
)
def test_poison_the_next_request(service: Service, query: str) -> None:
    tried(service, query)
    assert run(service, "SELECT 'A' LIKE 'a', (SELECT count(*) FROM pragma_database_list)").rows == [(1, 1)]
    settings = (
        "PRAGMA foreign_keys; PRAGMA query_only; PRAGMA ignore_check_constraints; PRAGMA reverse_unordered_selects"
    )
    assert [result.rows for result in run(service, settings).results] == [[(1,)], *[[(0,)]] * 3]
    unharmed(service)


@pytest.mark.parametrize(
    "query",
    [
        (
            "CREATE TEMP TABLE x (a); CREATE TEMP TRIGGER g AFTER INSERT ON x BEGIN DELETE FROM t; END;"
            "INSERT INTO x VALUES (1)"
        ),
        (
            "CREATE TEMP VIEW x AS SELECT 1;"
            "CREATE TEMP TRIGGER g INSTEAD OF INSERT ON x BEGIN UPDATE t SET b = 0; END;"
            "INSERT INTO x VALUES (1)"
        ),
        (
            "CREATE TEMP TABLE x (a); INSERT INTO x VALUES (1);"
            "CREATE TEMP TRIGGER g AFTER UPDATE ON x BEGIN REPLACE INTO t VALUES (1, 0); END;"
            "UPDATE x SET a = 2 WHERE a = 1"
        ),
        (
            "CREATE TABLE made (a REFERENCES t ON DELETE CASCADE); CREATE TEMP TRIGGER g AFTER INSERT ON made BEGIN "
            "DELETE FROM t; END; INSERT INTO made VALUES (1)"
        ),
        "INSERT INTO t VALUES (1, 0) ON CONFLICT DO UPDATE SET b = 0",
    ],
)
def test_destroy_although_the_request_is_careful(service: Service, query: str) -> None:
    error = refusal(service, query, careful=True)
    assert (error.code, error.details["destroys"][0]["table"]) == ("unconfirmed", "t")


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(
    "query",
    [
        "PRAGMA default_cache_size = 503",
        "PRAGMA main.default_cache_size(0)",
        "EXPLAIN PRAGMA default_cache_size = 503",
        "SELECT * FROM pragma_default_cache_size",
        "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1",
        "PRAGMA cache_size = 503",
        "PRAGMA foreign_keys = ON; UPDATE t SET b = b; PRAGMA foreign_keys = OFF",
        "PRAGMA foreign_keys = OFF; UPDATE t SET b = b; PRAGMA foreign_keys = ON",
        "PRAGMA page_size = 512; VACUUM",
        "VACUUM",
    ],
)
def test_change_what_is_set_for_the_database(service: Service, query: str, enforced: bool) -> None:
    act(service, "set_database", foreign_keys=enforced)
    tried(service, query)
    assert act(service, "databases")["databases"][0]["foreign_keys"] is enforced
    assert run(service, "PRAGMA foreign_keys").rows == [(int(enforced),)]
    unharmed(service)


@pytest.mark.parametrize(
    "query",
    [
        "PRAGMA writable_schema = ON",
        "PRAGMA writable_schema = RESET",
        "PRAGMA main.writable_schema = 1",
        'PRAGMA "writable_schema" = 1',
        "EXPLAIN PRAGMA writable_schema = ON",
        "EXPLAIN QUERY PLAN PRAGMA writable_schema = ON",
        "SELECT * FROM pragma_writable_schema(1)",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (evil)'",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (a)')",
        "DELETE FROM sqlite_schema",
        "DELETE FROM sqlite_dbpage",
        "PRAGMA schema_version = 5",
        "PRAGMA hard_heap_limit = 0",
        "EXPLAIN PRAGMA hard_heap_limit = 0",
        "SELECT * FROM pragma_hard_heap_limit(0)",
        "PRAGMA soft_heap_limit = 1",
        "PRAGMA cache_spill = 1",
        "PRAGMA cache_size = 1000000",
        "PRAGMA threads = 8",
        "PRAGMA mmap_size = 1000000000",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA max_page_count = 1",
        "PRAGMA secure_delete = ON",
        "PRAGMA page_size = 8192",
        "PRAGMA shrink_memory",
        "PRAGMA wal_autocheckpoint = 1",
        "PRAGMA lock_status",
        "PRAGMA key = 'x'",
        "PRAGMA no_such_pragma",
        "CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f_data VALUES (1, x'00')",
        "CREATE VIRTUAL TABLE f USING fts5(a); DROP TABLE f_config",
        "CREATE TABLE sqlite_mine (a)",
        "ALTER TABLE t RENAME TO sqlite_mine",
    ],
)
def test_change_how_the_database_is_kept(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


def test_a_statement_that_is_two_to_sqlite_and_one_to_us(service: Service) -> None:
    """Where our splitter and SQLite's parser should ever differ: the second would run with the rights of the first."""
    for query in ("SELECT 1 SELECT 2", "VACUUM DELETE FROM _sldb_requests", "VACUUM main DELETE FROM t"):
        assert refusal(service, query).code in ("sql_error", "bad_request")


@pytest.mark.parametrize("attempt", ["sql", "params", "names", "actions"])
def test_make_the_log_tell(service: Service, capsys: pytest.CaptureFixture[str], attempt: str) -> None:
    """Neither SQL nor values reach the log, whatever goes wrong; and no path of the machine reaches the reply."""
    events: dict[str, list[object]] = {
        "sql": [
            {"query": f"SELECT '{SECRET}' FROM nowhere"},
            {"query": f"SELECT {SECRET}"},
            {"query": f"INSERT INTO t VALUES (1, '{SECRET}')"},
            {"query": f"SELECT RAISE(ABORT, '{SECRET}')"},
            {"query": f'CREATE TABLE "{SECRET}" (a)', "dry_run": True},
            {"query": f"ATTACH '{SECRET}' AS o"},
            {"query": f"SELECT json('{SECRET}')"},
            {"query": f"SELECT CAST(x'ff' AS TEXT), '{SECRET}'"},
        ],
        "params": [
            {"query": "SELECT :a", "params": {SECRET: 1}},
            {"query": "SELECT ?", "params": [{"$blob": SECRET}]},
            {"query": "SELECT ?", "params": [SECRET] * 2},
        ],
        "names": [{"query": "SELECT 1", "database": SECRET}, {"query": "SELECT 1", SECRET: 1}, {SECRET: SECRET}],
        "actions": [
            {"action": SECRET},
            {"action": "history", "arguments": {SECRET: SECRET}},
            {"action": "restore", "arguments": {"at": SECRET}},
        ],
    }
    capsys.readouterr()
    for event in events[attempt]:
        reply = json.dumps(service.handle(event))
        assert tempfile.gettempdir() not in reply
        assert os.getcwd() not in reply
    assert SECRET not in capsys.readouterr().err


def test_a_bug_keeps_values_out_of_the_log(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback says where it was; the text of an exception may hold anything."""

    def fail(name: str) -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(f"near {SECRET!r}") from error

    monkeypatch.setattr(service, "_database", fail)
    assert service.handle({"query": "SELECT 1"})["body"]["error"]["code"] == "internal"
    text = capsys.readouterr().err
    assert "RuntimeError" in text
    assert "KeyError" in text
    assert "in fail" in text
    assert SECRET not in text.replace("raise KeyError(SECRET)", "")


def test_an_error_as_long_as_its_statement(service: Service) -> None:
    """A reply that does not fit through Lambda would be a crash to whoever waits for it."""
    long = "x" * 3_000_000
    for event in (
        {"query": f"SELECT {long}"},
        {"query": f"SELECT '{long}' FROM {long}"},
        {
            "query": "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT RAISE(ABORT, '"
            + long
            + "'); END; INSERT INTO t VALUES(5,5)"
        },
        {"query": f"ATTACH '{long}' AS o"},
        {"query": "SELECT :a", "params": {long: 1}},
        {"query": "SELECT 1", long: 1},
        {"query": "SELECT 1", "database": long},
        {"action": long},
        {"action": "history", "arguments": {long: 1}},
        {"query": f"PRAGMA {long}"},
        {"query": f"DETACH {long}"},
        {"query": f"CREATE TABLE _sldb_{long} (a)"},
    ):
        reply = service.handle(event)
        assert reply["statusCode"] >= 400
        assert len(json.dumps(reply)) < 10_000, reply["body"]["error"]["code"]
    unharmed(service)


def test_names_of_files_in_a_directory_store(tmp_path: Path) -> None:
    """What lies beside the databases is neither read nor taken for one."""
    root = tmp_path / "root"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "0000").mkdir()
    service = container(DirectoryStore(root))
    run(service, "CREATE TABLE t (a)")
    for stray in ("_replies", "UPPER", ".hidden", "with space", "x" * 80):
        (root / stray).mkdir(exist_ok=True)
        (root / stray / "file").write_bytes(b"x")
    (root / "main" / "0000" / "../../../outside/link").symlink_to("/etc/passwd")
    assert [each["name"] for each in act(service, "databases")["databases"]] == ["main"]
    for name in ("../outside", "..", "UPPER", ".hidden"):
        with pytest.raises(SldbError):
            run(service, "SELECT 1", database=name)
    service.close()


def test_the_table_in_the_documentation_names_tests_that_there_are() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    here = {name for name in globals() if name.startswith("test_") and "documentation" not in name}
    assert here == named
