"""Attempts to reach what is outside the database: the environment, files, other databases, memory, code.

Each attempt goes through the real service, and afterwards the next request, in the same container, finds all as it was.
docs/security.md has the table of these tests.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lambda_handlers.service import Service
from lambda_handlers.sql.attachment import Attachment
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import DATABASE_NAME, Reply, SldbError
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.lambda_handlers.attacks.attempts import SECRET, refusal, tried, unharmed


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
        "_keys",
        "_streams",
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


def test_names_of_files_in_a_directory_store(tmp_path: Path) -> None:
    """What lies beside the databases is neither read nor taken for one."""
    root = tmp_path / "root"
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "0000").mkdir()
    service = container(DirectoryStore(root))
    run(service, "CREATE TABLE t (a)")
    for stray in ("_replies", "_streams", "_keys", "UPPER", ".hidden", "with space", "x" * 80):
        (root / stray).mkdir(exist_ok=True)
        (root / stray / "file").write_bytes(b"x")
    (root / "main" / "0000" / "../../../outside/link").symlink_to("/etc/passwd")
    assert [each["name"] for each in act(service, "databases")["databases"]] == ["main"]
    for name in ("../outside", "..", "UPPER", ".hidden"):
        with pytest.raises(SldbError):
            run(service, "SELECT 1", database=name)
    service.close()
