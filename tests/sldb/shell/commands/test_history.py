"""Dot commands about the past, other databases and the whole, over a real database in a directory."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.render import Screen
from sldb.shell.commands.registry import obey
from sldb.shell.output import Output
from sldb.shell.script import run_script
from sldb.shell.session import Session
from sldb.targets.local import LocalTarget


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    output = Output(io.StringIO(), io.StringIO(), format="jsonl", timing=False)
    with closing(Session(Client(LocalTarget(tmp_path / "db")), output)) as session:
        yield session


def enter(session: Session, *lines: str) -> list[dict[str, object]]:
    """The rows that are printed."""
    out = session.output.out = io.StringIO()
    run_script([f"{line}\n" for line in lines], session, obey)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def said(session: Session) -> str:
    assert isinstance(session.output.err, io.StringIO)
    return session.output.err.getvalue()


def test_history_and_undo(session: Session) -> None:
    with pytest.raises(SldbError, match="nothing was ever written"):
        enter(session, ".undo")
    enter(session, "create table t(a);", "insert into t values (1);", "delete from t;")
    assert [(row["txid"], row["kind"]) for row in enter(session, ".history 2")] == [(3, "DELETE"), (2, "INSERT")]
    asked: list[str] = []
    session.confirm = lambda what: bool(asked.append(what))
    assert enter(session, ".undo", "select a from t;") == []
    assert "nothing was changed" in said(session)
    assert asked[0].startswith("This takes back transaction 3 (DELETE, of ")
    session.confirm = lambda what: True
    assert enter(session, ".undo", "select a from t;") == [{"a": 1}]
    assert enter(session, ".undo", "select a from t;") == []
    assert enter(session, ".redo 1", "select a from t;") == [{"a": 1}]
    assert "brought back transaction 2 (INSERT, of " in said(session)
    assert said(session).rstrip().endswith("; .undo takes it back")
    assert enter(session, ".redo", ".undo 2", "select a from t;") == []
    assert "; .redo 2 brings them back" in said(session)
    enter(session, "insert into t values (7);")
    with pytest.raises(SldbError, match="there is nothing to redo"):
        enter(session, ".redo")
    session.confirm = lambda what: bool(asked.append(what))
    enter(session, ".undo")
    assert asked[-1].startswith("Since the last undo there was another write: transaction 9 (INSERT, of ")
    session.confirm = None
    with pytest.raises(SldbError) as caught:
        enter(session, ".undo")
    assert caught.value.code == "unconfirmed"


def test_messages(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("a\n1\n")
    enter(session, ".message the second try", f'.import "{path}" t', "begin;", "delete from t;", "commit;", ".undo")
    enter(session, ".message", "delete from t;")
    shown = [(row["message"], row["command"]) for row in enter(session, ".history")]
    text = "the second try"
    assert shown == [(None, None), (text, "undo"), (text, None), (text, "import people.csv")]
    with pytest.raises(SldbError, match="printable"):
        enter(session, ".message " + "x" * 501)


def test_at_shows_another_time_to_commands_as_well(session: Session) -> None:
    enter(session, "create table t(a);", "create table u(b);")
    assert [row["name"] for row in enter(session, ".at 1", ".tables")] == ["t"]
    with pytest.raises(SldbError) as caught:
        enter(session, ".at 9")
    assert caught.value.code == "not_found"
    assert session.at == 1  # it stays where it was
    with pytest.raises(SldbError) as caught:
        enter(session, ".undo")
    assert caught.value.code == "read_only"
    assert len(enter(session, ".at NOW", ".tables")) == 2


def test_branches_and_databases(session: Session) -> None:
    enter(session, "create table t(a);", "insert into t values (1);", ".branch old 1", ".branch new")
    assert [row["name"] for row in enter(session, ".databases")] == ["main", "new", "old"]
    assert enter(session, ".database old", "select a from t;") == []
    assert enter(session, r"\c new", "select a from t;") == [{"a": 1}]
    enter(session, r"\c main", ".at 1", ".branch older")  # of where it stands
    assert enter(session, r"\c older", "select a from t;") == []


def test_dump_loads_into_sqlite(session: Session, tmp_path: Path) -> None:
    enter(session, "create table t(a, b);", "insert into t values ('x;\ny', x'00ff');", "delete from t;", ".at 2")
    enter(session, f'.once "{tmp_path / "a dump.sql"}"', ".dump")
    session.output.out = io.StringIO()
    run_script([".dump\n"], session, obey)
    assert session.output.out.getvalue() == (tmp_path / "a dump.sql").read_text("utf-8")
    connection = sqlite3.connect(":memory:")
    connection.executescript((tmp_path / "a dump.sql").read_text("utf-8"))
    assert connection.execute("select a, b from t").fetchall() == [("x;\ny", b"\x00\xff")]
    connection.close()
    enter(session, ".at now", "begin;")
    with pytest.raises(SldbError, match="a transaction is open"):
        enter(session, ".dump")


def test_import_adds_rows(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "some people.csv"
    path.write_text("name,age\nAda,36\nBob,007\n")
    assert enter(session, f'.import "{path}" people', "select name, age from people order by name;") == [
        {"name": "Ada", "age": "36"},
        {"name": "Bob", "age": "007"},
    ]
    assert "2 rows into people (new)" in said(session)
    assert enter(session, f'.import "{path}" people', "select count(*) as n from people;") == [{"n": 4}]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([".import"], "bad_request"),
        ([".import nothing.csv"], "bad_request"),
        ([".import -"], "bad_request"),
        ([".import a b c"], "bad_request"),
        (["begin;", ".import {path}"], "bad_request"),
        (["create table t(a);", ".at 1", ".import {path}"], "read_only"),
    ],
)
def test_what_is_not_imported(session: Session, tmp_path: Path, lines: list[str], code: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    with pytest.raises(SldbError) as caught:
        enter(session, *(line.replace("{path}", str(path)) for line in lines))
    assert caught.value.code == code, caught.value
    session.transaction, session.at = None, None
    if enter(session, "select name from sqlite_schema where name = 't';"):
        assert enter(session, "select * from t;") == []


def test_once_goes_to_the_file_once(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "once.jsonl"
    assert enter(session, f'.once "{path}"', "select 1 as a;", "select 2 as b;") == [{"b": 2}]
    assert path.read_text() == '{"a": 1}\n'


def test_watch_only_reads(session: Session) -> None:
    enter(session, "create table t(a);")
    assert len(enter(session, "select 1 as a;", ".watch 0.1 3")) == 4
    for line, code in (
        (".watch", "bad_request"),
        (".watch 0 1", "bad_request"),
        (".watch 1 x", "bad_request"),
        ("insert into t values (1);\n.watch 0.1 2", "read_only"),
    ):
        with pytest.raises(SldbError) as caught:
            enter(session, *line.split("\n"))
        assert caught.value.code == code
    assert enter(session, "select count(*) as n from t;") == [{"n": 1}]


def test_a_write_to_the_past_says_how_to_leave_it(session: Session) -> None:
    enter(session, "create table t(a);", "insert into t values (1);")
    with pytest.raises(SldbError) as caught:
        enter(session, ".at 1", "delete from t;")
    assert (caught.value.code, caught.value.hint) == ("read_only", ".at now goes back to the newest state")


def test_watch_opens_no_pager(session: Session) -> None:
    paged: list[str] = []
    session.output.screen = Screen(80, color=False, max_rows=0)
    session.output.page = lambda text, _chops: paged.append(text)
    enter(session, "select 1 as a;")
    assert len(paged) == 1
    run_script([".watch 0.1 1\n"], session, obey)
    assert len(paged) == 1
    assert session.output.pages


# SQL text and SQLite files


def test_dump_of_tables(session: Session) -> None:
    enter(session, "create table t(a); create table t2(b integer primary key, c); create index i on t2(c);")
    enter(session, "insert into t values (1); insert into t2 values (7, 'x'); create view v as select * from t2;")
    session.output.out = io.StringIO()
    run_script([".dump T2\n"], session, obey)
    text = session.output.out.getvalue()
    assert "CREATE TABLE t2" in text
    assert "CREATE INDEX i" in text
    assert "CREATE TABLE t(a)" not in text
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(text)
        assert connection.execute("select * from t2").fetchall() == [(7, "x")]
    session.output.out = io.StringIO()
    run_script([".dump t% v\n"], session, obey)
    assert session.output.out.getvalue().count("CREATE TABLE") == 2
    assert "CREATE VIEW v" in session.output.out.getvalue()


@pytest.mark.parametrize(
    ("definition", "insert", "query"),
    [
        ("fts5(w)", "insert into words values ('a b')", "select rowid, w from words where words match 'b'"),
        ("fts4(w)", "insert into words values ('a b')", "select rowid, w from words where words match 'b'"),
        (
            "fts5(w, content=t, content_rowid=id)",
            "insert into words(words) values ('rebuild')",
            "select rowid, w from words where words match 'b'",
        ),
        ("rtree(i, x, y)", "insert into words values (7, 1, 2)", "select i, x, y from words where x < 2"),
    ],
)
@pytest.mark.parametrize("patterns", ["words", "words%", "t words", "words_% words"])
def test_dump_of_a_virtual_table(
    session: Session, tmp_path: Path, definition: str, insert: str, query: str, patterns: str
) -> None:
    enter(
        session, "create table t(id integer primary key, w); insert into t values (9, 'a b'); create index i on t(w);"
    )
    enter(session, f"create virtual table words using {definition};", f"{insert};")
    want = [tuple(row.values()) for row in enter(session, f"{query};")]
    session.output.out = io.StringIO()
    run_script([f".dump {patterns}\n"], session, obey)
    with closing(sqlite3.connect(tmp_path / "loaded")) as connection:
        connection.executescript(session.output.out.getvalue())
    with closing(sqlite3.connect(tmp_path / "loaded")) as connection:  # it reads a schema that was written as rows
        assert connection.execute(query).fetchall() == want != []
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_dump_of_what_is_not_there(session: Session, tmp_path: Path) -> None:
    enter(session, "create table t(a); create virtual table words using fts5(w);")
    with pytest.raises(SldbError, match="no such table or view: nope"):
        enter(session, ".dump nope")
    enter(session, "create view v as select a as w from t; create virtual table of_v using fts5(w, content=v);")
    with pytest.raises(SldbError, match="the content of of_v is the view v") as caught:
        enter(session, ".dump of_v")
    assert caught.value.hint == ".dump without a name writes the whole database"
    with pytest.raises(SldbError) as caught:
        enter(session, f".once {tmp_path}/x.sql", ".dump backup.sql")
    assert caught.value.hint.startswith(".once backup.sql and then .dump")
    assert list(tmp_path.glob("*.sql")) == []
    assert enter(session, "select 1 as a;") == [{"a": 1}]  # it is over


def test_backup_needs_the_shell(session: Session) -> None:
    for text in (".backup x.db", ".save x.db"):
        with pytest.raises(SldbError) as caught:
            enter(session, text)
        assert "sldb pull x.db" in caught.value.hint


def test_backup_asks_before_it_replaces(session: Session, tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    written: list[tuple[Path, int | None, bool]] = []
    session.pull = lambda _client, path, at, replaces: str(written.append((path, at, replaces)))
    session.confirm = lambda _what: False
    enter(session, "create table t(a);", f".backup {tmp_path}/x.db")
    assert written == []
    session.confirm = lambda _what: True
    enter(session, ".at 1", f".save {tmp_path}/x.db", f".backup {tmp_path}/y.db")
    assert written == [(tmp_path / "x.db", 1, True), (tmp_path / "y.db", 1, False)]
