"""Imports: all or nothing, exactly once, whatever stops them; and what becomes of tables and rows."""

from __future__ import annotations

import gzip
import io
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd
from hypothesis import given

from lambda_handlers.host import Host
from lambda_handlers.wire import Action, Reply, Request, SldbError, Statement, Value
from sldb.client import Client
from sldb.targets.protocol import Target
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.formats.dump import dump
from sldb.transfer.formats.tables import ReadOptions
from sldb.transfer.importing import Outcome, Plan, run
from sldb.transfer.loader import Mode
from tests.fakes.databases.contents import Rows, contents
from tests.fakes.databases.random_database import databases
from tests.fakes.targets.limited_target import LimitedTarget
from tests.sldb.conftest import NewClient
from tests.sldb.transfer.formats.test_dump import RICH, SEARCHES

PEOPLE = 'id,name,zip\n1,Ada,01234\n2,Grace,\n3,"",5\n'
SHELL = shutil.which("sqlite3")


class Killed(BaseException):
    pass


class Dying:
    """A target whose user dies at one of the requests: before it is sent, or when it has been applied."""

    name = "dying"

    def __init__(self, target: Target, at: int, is_applied: bool) -> None:
        self._target = target
        self._left = at
        self._is_applied = is_applied

    def send(self, request: Request) -> Reply:
        return self._pass(lambda: self._target.send(request))

    def act(self, action: Action) -> dict[str, Any]:
        return self._pass(lambda: self._target.act(action))

    def close(self) -> None:
        pass

    def _pass(self, send: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._is_applied:
            raise Killed
        try:
            return send()
        finally:
            if self._left == 0:
                raise Killed


@pytest.fixture
def clock() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def client(tmp_path: Path, clock: list[float]) -> Iterator[Client]:
    client = Client(LimitedTarget(tmp_path / "db", Host(now=lambda: clock[0])))
    yield client
    client.close()


def rows(client: Client, query: str) -> list[tuple[Value, ...]]:
    return client.execute(Request((Statement(query),), read_only=True)).rows


def write(client: Client, *queries: str) -> None:
    client.execute(Request(tuple(map(Statement, queries))))


def load(client: Client, *files: Path | str, batch_rows: int = 50_000, stdin: bytes = b"", **options: Any) -> Outcome:
    reading = ReadOptions(
        **{name: options.pop(name) for name in list(options) if name in ReadOptions.__dataclass_fields__}
    )
    return run(client, Plan(tuple(map(str, files)), reading, Mode(**options), batch_rows), io.BytesIO(stdin))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return path


# Small and large alike


@pytest.mark.parametrize("batch_rows", [1, 2, 50_000])
def test_a_table_is_made_of_what_is_there(client: Client, people: Path, batch_rows: int) -> None:
    done = load(client, people, batch_rows=batch_rows)
    assert (done.rows, done.changed, done.tables, done.made) == (3, 3, ("people",), ("people",))
    assert rows(client, "SELECT * FROM people") == [(1, "Ada", "01234"), (2, "Grace", None), (3, "", "5")]
    assert rows(client, "SELECT sql FROM sqlite_schema WHERE name = 'people'") == [
        ('CREATE TABLE "people" ("id" INTEGER, "name" TEXT, "zip" TEXT)',)
    ]
    assert done.txid == 1


@pytest.mark.parametrize("batch_rows", [1, 50_000])
class TestModes:
    def test_rows_are_added_by_name(self, client: Client, people: Path, batch_rows: int) -> None:
        write(
            client,
            "CREATE TABLE people (zip, NAME TEXT, id INTEGER, born DEFAULT 1815)",
            "INSERT INTO people (id) VALUES (0)",
        )
        done = load(client, people, batch_rows=batch_rows)
        assert done.made == ()
        assert rows(client, "SELECT id, name, zip, born FROM people") == [
            (0, None, None, 1815),
            (1, "Ada", "01234", 1815),
            (2, "Grace", None, 1815),
            (3, "", "5", 1815),
        ]

    def test_only_if_it_is_new(self, client: Client, people: Path, batch_rows: int) -> None:
        load(client, people, batch_rows=batch_rows, must_be_new=True)
        with pytest.raises(SldbError, match="there is a table people already"):
            load(client, people, batch_rows=batch_rows, must_be_new=True)
        assert rows(client, "SELECT count(*) FROM people") == [(3,)]

    def test_rows_may_be_replaced(self, client: Client, people: Path, batch_rows: int) -> None:
        write(client, "CREATE TABLE people (id INT, name, zip)", "INSERT INTO people VALUES (9, 'old', '')")
        load(client, people, batch_rows=batch_rows, replace=True)
        assert rows(client, "SELECT id FROM people") == [(1,), (2,), (3,)]

    def test_rows_with_the_same_key_are_updated(
        self, client: Client, people: Path, tmp_path: Path, batch_rows: int
    ) -> None:
        load(client, people, batch_rows=batch_rows, upsert=("id",))
        (tmp_path / "more.csv").write_text("id,name\n2,Hopper\n4,Edsger\n")
        done = load(client, tmp_path / "more.csv", batch_rows=batch_rows, table="people", upsert=("ID",))
        assert done.changed == 2
        assert rows(client, "SELECT id, name FROM people") == [(1, "Ada"), (2, "Hopper"), (3, ""), (4, "Edsger")]

    def test_an_upsert_needs_a_key(self, client: Client, people: Path, batch_rows: int) -> None:
        with pytest.raises(SldbError, match="--upsert nope: there is no such column"):
            load(client, people, batch_rows=batch_rows, upsert=("nope",))
        load(client, people)
        with pytest.raises(SldbError) as caught:
            load(client, people, batch_rows=batch_rows, upsert=("id",))
        assert "CREATE UNIQUE INDEX" in caught.value.hint

    def test_a_constraint_stops_all_of_it(self, client: Client, people: Path, batch_rows: int) -> None:
        write(
            client,
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, zip)",
            "INSERT INTO people VALUES (2, '', '')",
        )
        with pytest.raises(SldbError) as caught:
            load(client, people, batch_rows=batch_rows)
        assert caught.value.code == "constraint"
        assert rows(client, "SELECT count(*) FROM people") == [(1,)]
        done = load(client, people, batch_rows=batch_rows, skip=True)
        assert (done.rows, done.changed) == (3, 2)
        assert rows(client, "SELECT id, name FROM people") == [(1, "Ada"), (2, ""), (3, "")]

    def test_a_column_that_is_not_there(self, client: Client, people: Path, batch_rows: int) -> None:
        write(client, "CREATE TABLE people (id, name)")
        with pytest.raises(SldbError, match="table people has no column zip"):
            load(client, people, batch_rows=batch_rows)

    def test_large_numbers_lose_no_digit(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        path = tmp_path / "n.csv"
        path.write_text("a,b\n9007199254740993,9223372036854775808\n2.5,1\n")
        load(client, path, batch_rows=batch_rows)
        assert rows(client, "SELECT * FROM n") == [(9007199254740993, "9223372036854775808"), (2.5, "1")]
        write(client, "CREATE TABLE m (a, b INTEGER)")
        with pytest.raises(SldbError, match=r"would lose digits in m\.b"):
            load(client, path, batch_rows=batch_rows, table="m")

    def test_an_empty_cell_of_tsv_is_null_among_numbers(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        path = tmp_path / "t.tsv"
        path.write_text("n\ts\n1\ta\n\t\n\\N\t\\N\n")
        expected = [(1, "a"), (None, ""), (None, None)]
        for _ in range(2):
            load(client, path, batch_rows=batch_rows, replace=True)
            assert rows(client, "SELECT * FROM t") == expected

    def test_json_may_grow_columns(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        path = tmp_path / "j.jsonl"
        path.write_text('{"a": 1}\n{"b": "x"}\n{"c": {"$base64": true, "encoded": "AP8="}, "a": 9007199254740993}\n')
        load(client, path, batch_rows=batch_rows)
        assert rows(client, "SELECT * FROM j") == [(1, None, None), (None, "x", None), (2**53 + 1, None, b"\0\xff")]

    def test_several_files_are_one_import(self, client: Client, people: Path, tmp_path: Path, batch_rows: int) -> None:
        more, bad = tmp_path / "more.jsonl", tmp_path / "bad.csv"
        more.write_text('{"id": 4, "age": 36.5}\n')
        bad.write_text("id\n5\n6,7\n")
        with pytest.raises(SldbError, match=r"bad.csv:3:3: 2 cells"):
            load(client, people, more, bad, table="all", batch_rows=batch_rows)
        assert rows(client, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '_sldb%'") == [(0,)]
        load(client, people, more, table="all", batch_rows=batch_rows)
        assert rows(client, 'SELECT id, name, age FROM "all"') == [
            (1, "Ada", None),
            (2, "Grace", None),
            (3, "", None),
            (4, None, 36.5),
        ]


# Stopped, and run again


def count_requests(client: Client, plan: Plan) -> int:
    target = client.target
    assert isinstance(target, LimitedTarget)
    before = target.exchanges
    run(client, plan, io.BytesIO())
    return target.exchanges - before


def databases_of(client: Client) -> list[str]:
    listed = client.act("databases")["databases"]
    return [entry["name"] for entry in listed]


@pytest.mark.parametrize("is_applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("hours", [0, 3])
def test_killed_at_any_request_and_run_again_each_row_is_there_once(
    client: Client, tmp_path: Path, clock: list[float], is_applied: bool, hours: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(10)))
    plan = Plan((str(path),), batch_rows=3)
    requests = count_requests(Client(client.target, "counted"), plan)
    assert requests > 8
    for at in range(1, requests + 1):
        mine = Client(client.target, f"killed-{at}")
        with pytest.raises(Killed):
            run(replace(mine, target=Dying(client.target, at, is_applied)), plan, io.BytesIO())
        clock[0] += hours * 3600
        if at < requests - 1:
            assert f"killed-{at}" not in databases_of(client)
        done = run(mine, plan, io.BytesIO())
        # Killed after all was done and the staging gone, nothing tells the second run from one that is wanted.
        times = 2 if at == requests and is_applied else 1
        assert rows(mine, "SELECT count(*), sum(a) FROM t") == [(10 * times, 45 * times)], at
        assert done.rows == 10
        assert not [name for name in databases_of(client) if name.startswith("import-")]


def test_an_import_goes_on_where_it_was(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(100)))
    plan = Plan((str(path),), batch_rows=10)
    with pytest.raises(Killed):
        run(replace(client, target=Dying(client.target, 6, is_applied=True)), plan, io.BytesIO())
    assert databases_of(client)[0].startswith("import-")
    done = run(client, plan, io.BytesIO())
    assert done.resumed_rows >= 40
    assert rows(client, "SELECT count(*), sum(a) FROM t") == [(100, 4950)]


def test_an_import_of_other_data_begins_anew(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(100)))
    plan = Plan((str(path),), batch_rows=10)
    with pytest.raises(Killed):
        run(replace(client, target=Dying(client.target, 6, is_applied=True)), plan, io.BytesIO())
    for text in ("a\n" + "7\n" * 90, "a\n7\n7\n"):
        path.write_text(text)
        done = run(client, replace(plan, mode=Mode(replace=True)) if len(text) < 10 else plan, io.BytesIO())
        assert done.resumed_rows == 0
    assert rows(client, "SELECT count(*), sum(a) FROM t") == [(2, 14)]


def test_other_data_on_standard_input_is_told(client: Client) -> None:
    first, other = (b"a\n" + b"%d\n" % i * 20 for i in (1, 2))
    plan = Plan(("-",), ReadOptions(table="t"), batch_rows=4)
    with pytest.raises(Killed):
        run(replace(client, target=Dying(client.target, 5, is_applied=True)), plan, io.BytesIO(first))
    with pytest.raises(SldbError, match="had other data"):
        run(client, plan, io.BytesIO(other))
    run(client, plan, io.BytesIO(other))
    assert rows(client, "SELECT count(*), sum(a) FROM t") == [(20, 40)]


def test_writers_in_between_are_neither_lost_nor_disturbed(client: Client, tmp_path: Path) -> None:
    """Somebody writes before each of the import's requests."""
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(10)))
    write(client, "CREATE TABLE others (i)")

    class Busy(Dying):
        def _pass(self, send: Callable[[], Any]) -> Any:
            self._left -= 1
            if self._left > 0:
                write(client, "INSERT INTO others VALUES (1)")
            return send()

    run(
        replace(client, target=Busy(client.target, 20, is_applied=False)),
        Plan((str(path),), batch_rows=3),
        io.BytesIO(),
    )
    assert rows(client, "SELECT count(*) FROM t") == [(10,)]
    assert rows(client, "SELECT count(*) FROM others") == [(19,)]


def test_a_bad_row_at_the_end_leaves_nothing(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 20 + "1\n")
    with pytest.raises(SldbError, match=r"t.csv:22:2: 1 cells"):
        load(client, path, batch_rows=4)
    assert databases_of(client) == []
    done = load(client, path, batch_rows=4, skip=True)
    assert (done.rows, done.bad.count) == (20, 1)


def test_large_rows_stay_below_the_limit_of_a_request(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"i": {i}, "x": "{"é" * (i * 40_000)}"}}\n' for i in range(40)))
    load(client, path)
    assert rows(client, "SELECT sum(length(x)), count(*) FROM t") == [(40_000 * 780, 40)]


def test_many_narrow_rows_stay_below_the_limit_too(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(f"c{i}" for i in range(200)) + "\n" + ("1," * 199 + "\n") * 4000)
    load(client, path)
    assert rows(client, "SELECT count(*), sum(c7), sum(c199) FROM t") == [(4000, 4000, None)]


# Formats


def test_compressed_files_and_standard_input(client: Client, tmp_path: Path) -> None:
    (tmp_path / "g.csv.gz").write_bytes(gzip.compress(PEOPLE.encode()))
    (tmp_path / "z.csv.zst").write_bytes(zstd.compress(PEOPLE.encode()))
    load(client, tmp_path / "g.csv.gz", tmp_path / "z.csv.zst")
    load(client, "-", table="s", stdin=gzip.compress(PEOPLE.encode()))
    assert rows(client, "SELECT * FROM g EXCEPT SELECT * FROM z UNION ALL SELECT * FROM s EXCEPT SELECT * FROM z") == []
    assert rows(client, "SELECT count(*) FROM g, z, s") == [(27,)]


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_damaged_data_is_told(client: Client, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    whole = compress(b"a\n" + bytes(range(48, 58)) * 100_000 + b"\n")
    for data in (whole[:-4], whole[:40] + bytes(10) + whole[50:]):
        (tmp_path / "t.csv").write_bytes(data)
        with pytest.raises(SldbError, match="damaged"):
            load(client, tmp_path / "t.csv")


def test_parquet(client: Client, tmp_path: Path) -> None:
    import datetime
    from decimal import Decimal

    table = pyarrow.table(
        {
            "i": pyarrow.array([2**63 - 1, None], pyarrow.int64()),
            "u": pyarrow.array([2**64 - 1, 1], pyarrow.uint64()),
            "f": [0.1, float("nan")],
            "s": ["é", None],
            "b": [b"\0\xff", None],
            "t": [True, False],
            "d": [datetime.date(2026, 11, 1), None],
            "w": [datetime.datetime.fromisoformat("2026-11-01T10:00:00.000005"), None],
            "m": [Decimal("1.50"), None],
            "l": [[1, None], []],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "p.parquet")
    load(client, tmp_path / "p.parquet")
    assert rows(client, "SELECT * FROM p") == [
        (
            2**63 - 1,
            str(2**64 - 1),
            0.1,
            "é",
            b"\0\xff",
            1,
            "2026-11-01",
            "2026-11-01 10:00:00.000005",
            "1.50",
            "[1, null]",
        ),
        (None, 1, None, None, None, 0, None, None, None, "[]"),
    ]
    load(client, "-", table="q", format="parquet", stdin=(tmp_path / "p.parquet").read_bytes())
    assert rows(client, "SELECT * FROM p EXCEPT SELECT * FROM q") == []


def remote(client: Client) -> Rows:
    source = Snapshot(client)
    return lambda sql: source.result(sql).rows


PUSHED = [line for line in RICH.split(";\n") if "hollow" not in line and " four " not in line]


@pytest.mark.parametrize("batch_rows", [2, 50_000])
@pytest.mark.parametrize("way", ["dump", "shell", "file"])
def test_a_database_comes_whole(client: Client, tmp_path: Path, way: str, batch_rows: int) -> None:
    """From a dump of ours, from one of the sqlite3 shell, from a file."""
    source, path = Client(client.target, "source"), tmp_path / "made.sqlite"
    write(source, ";\n".join(PUSHED))
    sql = "".join(dump(Snapshot(source)))
    with closing(sqlite3.connect(path)) as made:
        made.executescript(sql)
    if way == "shell":
        if SHELL is None:
            pytest.skip("needs the sqlite3 shell")
        sql = subprocess.run([SHELL, str(path), ".dump"], capture_output=True, check=True, encoding="utf-8").stdout
    (tmp_path / "made.sql").write_text(sql, newline="")
    target = Client(client.target, "copied")
    load(target, path if way == "file" else tmp_path / "made.sql", batch_rows=batch_rows)
    expected = contents(remote(source))
    if way == "shell":  # it leaves these out
        expected |= {"user_version": 0, "application_id": 0}
    assert contents(remote(target)) == expected
    for search in SEARCHES:
        if not any(word in search for word in ("hollow", "four", "sqlite_stat1")):
            assert rows(target, search) == rows(source, search), search
    write(target, "INSERT INTO posts (title) VALUES ('next')")
    assert rows(target, "SELECT max(id) FROM posts") == [(9007199254740994,)]


@given(statements=databases())
def test_random_databases_are_imported_as_they_were_dumped(
    new_client: NewClient, tmp_path_factory: pytest.TempPathFactory, statements: list[Statement]
) -> None:
    source, target = new_client(), new_client()
    source.execute(Request(tuple(statements)))
    path = tmp_path_factory.mktemp("dumped") / "main.sql"
    path.write_text("".join(dump(Snapshot(source))), newline="")
    load(target, path, batch_rows=3)
    assert contents(remote(target)) == contents(remote(source))


def told(client: Client) -> bool | None:
    """Whether the database enforces foreign keys."""
    found = {one["name"]: one["foreign_keys"] for one in client.act("databases")["databases"]}
    return found.get(client.database)


FAMILY = (
    "CREATE TABLE child (of REFERENCES parent); INSERT INTO child VALUES (1), (999);"
    "CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);"
)


@pytest.mark.parametrize("batch_rows", [1, 50_000])
def test_a_sqlite_file_comes_with_its_orphans(client: Client, tmp_path: Path, batch_rows: int) -> None:
    """What it begins goes on as SQLite does; what was there stays as it is."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript(FAMILY)
    load(client, tmp_path / "x.db", batch_rows=batch_rows)
    assert rows(client, "SELECT of FROM child") == [(1,), (999,)]
    assert told(client) is False
    other = Client(client.target, "other")
    write(other, "CREATE TABLE t (a)")
    load(other, tmp_path / "x.db", batch_rows=batch_rows)
    assert rows(other, "SELECT of FROM child") == [(1,), (999,)]
    assert told(other) is True


@pytest.mark.parametrize("batch_rows", [1, 50_000])
def test_a_dump_comes_with_its_orphans_into_a_database_of_ours(client: Client, tmp_path: Path, batch_rows: int) -> None:
    (tmp_path / "x.sql").write_text(f"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{FAMILY}\nCOMMIT;\n")
    load(client, tmp_path / "x.sql", batch_rows=batch_rows)
    assert rows(client, "SELECT of FROM child") == [(1,), (999,)]
    assert told(client) is True


@pytest.mark.parametrize("batch_rows", [1, 50_000])
def test_rows_must_have_what_they_refer_to_when_all_are_there(client: Client, tmp_path: Path, batch_rows: int) -> None:
    write(client, "CREATE TABLE parent (id INTEGER PRIMARY KEY)", "CREATE TABLE child (of INTEGER REFERENCES parent)")
    (tmp_path / "child.csv").write_text("of\n1\n2\n")
    (tmp_path / "parent.csv").write_text("id\n1\n2\n")
    load(client, tmp_path / "child.csv", tmp_path / "parent.csv", batch_rows=batch_rows)
    assert rows(client, "SELECT of FROM child") == [(1,), (2,)]
    load(client, tmp_path / "parent.csv", batch_rows=batch_rows, replace=True)
    (tmp_path / "child.csv").write_text("of\n1\n999\n")
    with pytest.raises(SldbError) as caught:
        load(client, tmp_path / "child.csv", batch_rows=batch_rows)
    assert (caught.value.code, "refer to first" in caught.value.hint) == ("constraint", True)
    assert rows(client, "SELECT of FROM child") == [(1,), (2,)]


def test_one_table_of_a_file(client: Client, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript(
            "CREATE TABLE a (i); CREATE TABLE b (j); CREATE INDEX on_b ON b (j); INSERT INTO b VALUES (1)"
        )
    done = load(client, tmp_path / "x.db", table="b")
    assert done.tables == ("b",)
    assert rows(client, "SELECT name FROM sqlite_schema WHERE name NOT LIKE '_sldb%' AND sql NOT NULL") == [
        ("b",),
        ("on_b",),
    ]
    with pytest.raises(SldbError, match="has no table c") as caught:
        load(client, tmp_path / "x.db", table="c")
    assert caught.value.hint == "it has: a, b"


def test_rows_of_a_file_are_added_to_what_is_there(client: Client, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript("CREATE TABLE a (i); INSERT INTO a (rowid, i) VALUES (1, 'new'), (7, 'newer')")
    write(client, "CREATE TABLE a (i)", "INSERT INTO a VALUES ('old')")
    load(client, tmp_path / "x.db")
    assert rows(client, "SELECT rowid, i FROM a") == [(1, "old"), (2, "new"), (3, "newer")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "x.sql",
            "CREATE TABLE t (a);\n\nINSERT INTO t VALUES (1, 2);\n",
            "x.sql:3:1: table t has 1 columns but 2 values",
        ),
        ("x.sql", "BEGIN;\nCREATE TABLE t (a);\n", "x.sql ends before its COMMIT"),
        ("x.sql", "ATTACH '/tmp/other' AS o;\n", "x.sql:1:1: not authorized"),
        ("x.sql", "-- nothing\n", "x.sql has no tables"),
        ("x.db", "no database, but long enough to be read as one " * 30, "x.db cannot be read: file is not a database"),
        ("x.parquet", "PAR1 no, it is not", "x.parquet is no Parquet file"),
        ("x.json", "[]", "there are no rows, and so no columns to make a table x of"),
        (
            "x.sql",
            "CREATE VIRTUAL TABLE h USING fts5(z, content='');",
            "virtual table h keeps what SQL statements cannot",
        ),
    ],
)
def test_files_that_cannot_be_imported(client: Client, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SldbError) as caught:
        load(client, tmp_path / name)
    assert message in caught.value.message
    assert caught.value.code == "bad_request"


def test_a_file_that_is_not_there(client: Client, tmp_path: Path) -> None:
    with pytest.raises(SldbError, match="cannot be read: No such file or directory"):
        load(client, tmp_path / "x.csv")
