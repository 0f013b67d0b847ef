"""Differences between two states, against dictionaries of rows."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import permutations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.cli.main import run as sldb
from sldb.client import Client
from sldb.diff.comparison import Change, Comparison, RowChange
from sldb.diff.copies import copied
from sldb.diff.schema import State, decode_schema, schema_request
from sldb.targets.local import LocalTarget
from tests.fakes.terminal.printed import TIME


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.target = LocalTarget(directory)

    def run(self, sql: str, params: Any = None, database: str = "main") -> Reply:
        return self.target.send(Request((Statement(sql, params),), database))

    def compare(self, before: str, after: str = "main", only: tuple[str, ...] = ()) -> Comparison:
        schemas = []
        for text in (before, after):
            state = State.parse(text, "main")
            reply = self.target.send(schema_request(state))
            schemas.append(decode_schema(reply))
        return Comparison(*schemas, only=only)

    def changes(self, before: str, after: str = "main") -> dict[str, Change]:
        comparison = self.compare(before, after)
        return {
            change.name: change for change in comparison.changes(self.target.send(comparison.count_request()).results)
        }

    def rows(self, before: str, table: str, after: str = "main") -> list[RowChange]:
        comparison = self.compare(before, after)
        return list(comparison.row_changes(self.target.send(comparison.row_request([table], 1000)).results))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "databases")
    yield world
    world.target.close()


# Against a model

values = st.one_of(
    st.none(), st.integers(-2, 2), st.floats(-2, 2, allow_nan=False), st.sampled_from(["", "a", "A", "b", "1"]),
    st.sampled_from([b"", b"a"]),
)  # fmt: skip
tables = st.dictionaries(st.integers(1, 12), st.tuples(values, values), max_size=10)
texts = st.dictionaries(st.sampled_from(["a", "b", "c", "d ", "ä"]), st.tuples(values, values), max_size=5)
# REAL columns turn integers into floats and so on: here columns have no type, and NOCASE and no default.
SCHEMA = """
CREATE TABLE r (id INTEGER PRIMARY KEY, x COLLATE NOCASE, y);
CREATE TABLE w (k TEXT PRIMARY KEY, x, y) WITHOUT ROWID;
"""


def exact(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((type(value), repr(value)) for value in row)


@pytest.mark.parametrize("examples", [10, pytest.param(40, marks=pytest.mark.long)])
def test_it_is_what_a_dictionary_says(tmp_path: Path, examples: int) -> None:
    settings(max_examples=examples)(given(st.just(tmp_path), tables, tables, texts, texts)(compare_with_dictionaries))()


def compare_with_dictionaries(tmp_path: Path, r1: Any, r2: Any, w1: Any, w2: Any) -> None:
    world = World(tmp_path / "model")
    world.run("DROP TABLE IF EXISTS r; DROP TABLE IF EXISTS w;" + SCHEMA)
    txid = 0
    for r, w in ((r1, w1), (r2, w2)):
        before = txid
        world.run("DELETE FROM r; DELETE FROM w")
        for key, (x, y) in r.items():
            world.run("INSERT INTO r VALUES (?, ?, ?)", (key, x, y))
        for key, (x, y) in w.items():
            world.run("INSERT INTO w VALUES (?, ?, ?)", (key, x, y))
        txid = world.run("SELECT 1").txid
    found = world.changes(str(before))
    for name, old, new in (("r", r1, r2), ("w", w1, w2)):
        added, removed = new.keys() - old.keys(), old.keys() - new.keys()
        changed = {key for key in new.keys() & old.keys() if exact(new[key]) != exact(old[key])}
        numbers = (len(added), len(removed), len(changed))
        change = found.get(name)
        assert ((change.added, change.removed, change.changed) if change else (0, 0, 0)) == numbers
        if not change:
            continue
        assert (change.before, change.after, change.schema) == (len(old), len(new), "")
        key = "rowid" if name == "r" else "k"
        rows = world.rows(str(before), name)
        told = {kind: {row.key[key] for row in rows if row.change == kind} for kind in ("added", "removed", "changed")}
        assert told == {"added": added, "removed": removed, "changed": changed}
        for row in rows:
            if row.after is not None:
                assert exact((row.after["x"], row.after["y"])) == exact(new[row.key[key]])
            if row.before is not None:
                assert exact((row.before["x"], row.before["y"])) == exact(old[row.key[key]])
    world.target.close()


# Schemas


def test_what_came_and_went_and_became_another(world: World) -> None:
    world.run("CREATE TABLE gone (a); INSERT INTO gone VALUES (1), (2)")
    world.run("CREATE TABLE kept (a); CREATE VIEW v AS SELECT 1")
    world.run(
        "DROP TABLE gone; DROP VIEW v; CREATE VIEW v AS SELECT 2; ALTER TABLE kept ADD COLUMN b;"
        "CREATE TABLE made (a, b); INSERT INTO made VALUES (1, 2); CREATE INDEX i ON made (a);"
        "CREATE TRIGGER t AFTER INSERT ON kept BEGIN SELECT 1; END"
    )
    found = world.changes("2")
    assert {name: (change.type, change.schema) for name, change in found.items()} == {
        "gone": ("table", "dropped"),
        "kept": ("table", "altered"),
        "made": ("table", "created"),
        "v": ("view", "altered"),
        "i": ("index", "created"),
        "t": ("trigger", "created"),
    }
    assert (found["gone"].removed, found["gone"].before, found["gone"].after) == (2, 2, 0)
    assert (found["made"].added, found["made"].before, found["made"].after) == (1, 0, 1)
    assert found["i"].added is None


def test_a_column_that_was_added_is_no_change_of_the_rows(world: World) -> None:
    world.run("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
    world.run("ALTER TABLE t ADD COLUMN b DEFAULT 7; UPDATE t SET a = 9 WHERE a = 2")
    change = world.changes("1")["t"]
    assert (change.added, change.removed, change.changed) == (0, 0, 1)
    (row,) = world.rows("1", "t")
    assert (row.before, row.after) == ({"a": 2}, {"a": 9, "b": 7})


def test_full_text_tables_and_not_what_they_keep(world: World) -> None:
    world.run("CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('one'), ('two')")
    world.run("UPDATE notes SET body = 'three' WHERE body = 'two'; INSERT INTO notes VALUES ('four')")
    (change,) = world.changes("1").values()
    assert (change.name, change.added, change.removed, change.changed) == ("notes", 1, 0, 1)


def test_ours_is_left_out(world: World) -> None:
    world.run("CREATE TABLE t (a)")
    world.target.send(Request((Statement("INSERT INTO t VALUES (1)"),), request_id="one"))
    assert list(world.changes("1")) == ["t"]


@pytest.mark.parametrize("columns", ["rowid", "rowid, _rowid_", "oid, ROWID"])
def test_columns_that_are_named_like_the_rowid(world: World, columns: str) -> None:
    world.run(f"CREATE TABLE t (v, {columns}); INSERT INTO t (v) VALUES (1), (2)")
    world.run("UPDATE t SET v = 3 WHERE v = 2")
    change = world.changes("1")["t"]
    assert (change.added, change.removed, change.changed) == (0, 0, 1)


def test_where_nothing_names_the_rowid_a_row_is_what_it_holds(world: World) -> None:
    world.run("CREATE TABLE t (v, rowid, _rowid_, oid); INSERT INTO t (v) VALUES (1), (2)")
    world.run("UPDATE t SET v = 3 WHERE v = 2")
    change = world.changes("1")["t"]
    assert (change.added, change.removed, change.changed) == (1, 1, 0)
    with pytest.raises(SldbError, match="cannot be identified"):
        world.rows("1", "t")


def test_names_that_need_quotes_and_many_columns(world: World) -> None:
    name, quoted = 'it\'s "odd"', '"it\'s ""odd"""'
    columns = ", ".join(f'"c ""{number}"' for number in range(900))
    world.run(f"CREATE TABLE {quoted} ({columns}); INSERT INTO {quoted} DEFAULT VALUES")
    world.run(f'UPDATE {quoted} SET "c ""899" = 1')
    assert world.changes("1")[name].changed == 1
    (row,) = world.rows("1", name)
    assert row.after
    assert row.after['c "899'] == 1


def test_two_databases(world: World) -> None:
    world.run("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
    world.run("CREATE TABLE t (a); INSERT INTO t VALUES (1)", database="staging")
    (change,) = world.changes("staging", "main").values()
    assert (change.added, change.removed, change.changed) == (1, 0, 0)


def test_a_writer_in_between_changes_nothing(world: World) -> None:
    world.run("CREATE TABLE t (a)")
    world.run("INSERT INTO t VALUES (1)")
    comparison = world.compare("1")
    world.run("INSERT INTO t VALUES (2); CREATE TABLE u (b)")
    changes = comparison.changes(world.target.send(comparison.count_request()).results)
    assert [(change.name, change.added) for change in changes] == [("t", 1)]


# The command

Sldb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(world: World, capsys: pytest.CaptureFixture[str]) -> Sldb:
    world.run("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    world.run("UPDATE t SET b = 'z' WHERE a = 2; INSERT INTO t VALUES (3, x'00')")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = sldb(["diff", "--local", str(world.directory), *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_the_command_counts(command: Sldb) -> None:
    status, out, err = command("1", "--format", "json")
    assert status == 0
    assert json.loads(out) == [
        {"name": "t", "type": "table", "schema": "", "added": 1, "removed": 0, "changed": 1, "before": 2, "after": 3}
    ]
    assert re.fullmatch(rf"main: as of transaction 1, {TIME}\nmain@1 → main@2\n", err)


def test_the_command_shows_rows(command: Sldb) -> None:
    status, out, _ = command("1", "2", "--rows", "--table", "t", "--format", "jsonl")
    assert status == 0
    lines = [json.loads(line) for line in out.splitlines()]
    told = [(line["change"], json.loads(line["key"])) for line in lines]
    assert told == [("added", {"rowid": 3}), ("changed", {"rowid": 2})]
    assert json.loads(lines[0]["after"]) == {"a": 3, "b": {"$blob": "AA=="}}
    assert json.loads(lines[1]["before"]) == {"a": 2, "b": "y"}


def test_people_see_only_the_columns_that_changed(command: Sldb) -> None:
    _, out, _ = command("1", "2", "--rows")
    assert '{"b": "y"}' in out
    assert '{"b": "z"}' in out


def test_nothing_differs(command: Sldb) -> None:
    status, out, err = command("2", "--format", "jsonl")
    assert (status, out) == (0, "")
    assert re.fullmatch(rf"main: as of transaction 2, {TIME}\nmain@2 → main@2: nothing differs\n", err)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["99"], 1, "no transaction 99"),
        (["nobody"], 1, "no database nobody"),
        (["1", "--table", "x"], 1, "neither state has a table x"),
        (["Foo"], 2, "names no state"),
        ([], 2, "FROM"),
    ],
)
def test_bad_input_is_said(command: Sldb, arguments: list[str], status: int, says: str) -> None:
    done, _, err = command(*arguments)
    assert (done, says in err) == (status, True), err


# Text encodings


ENCODINGS = ("UTF-8", "UTF-16le", "UTF-16be")


def fill(world: World, database: str, encoding: str, r: Any, w: Any) -> None:
    world.run(f"PRAGMA encoding = '{encoding}';" + SCHEMA.replace("k TEXT", "k TEXT COLLATE NOCASE"), database=database)
    for key, (x, y) in r.items():
        world.run("INSERT INTO r VALUES (?, ?, ?)", (key, x, y), database)
    for key, (x, y) in w.items():
        world.run("INSERT INTO w VALUES (?, ?, ?)", (key.upper() if encoding == "UTF-16le" else key, x, y), database)


@pytest.mark.parametrize("examples", [4, pytest.param(10, marks=pytest.mark.long)])
def test_what_differs_does_not_depend_on_the_encodings(tmp_path: Path, examples: int) -> None:
    settings(max_examples=examples)(given(st.just(tmp_path), tables, tables, texts, texts)(compare_encodings))()


def compare_encodings(tmp_path: Path, r1: Any, r2: Any, w1: Any, w2: Any) -> None:
    world = World(Path(mkdtemp(dir=tmp_path)))  # an encoding is for a new database
    client = Client(world.target)
    fill(world, "one", "UTF-8", r1, w1)
    fill(world, "two", "UTF-16be", r2, w2)
    fill(world, "same", "UTF-8", r2, w2)
    comparison = world.compare("one", "two")
    assert not comparison.is_attachable
    with copied(client, comparison) as copies:
        found = comparison.changes(copies.answer(comparison.count_request()))
        names = [change.name for change in found]
        rows = list(comparison.row_changes(copies.answer(comparison.row_request(names, 1000))))
    assert {change.name: change for change in found} == world.changes("one", "same")
    expected = [row for name in names for row in world.rows("one", name, "same")]
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))
    world.target.close()


@pytest.mark.parametrize("encodings", list(permutations(ENCODINGS, 2)), ids="→".join)
def test_the_command_compares_other_encodings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], encodings: tuple[str, str]
) -> None:
    world = World(tmp_path / "databases")
    for name, encoding in zip(("one", "two"), encodings, strict=True):
        fill(world, name, encoding, {1: ("ä", 1), 2: (name, 1.5)}, {"a": (b"\0", None)})
    world.run("CREATE TABLE made (a); INSERT INTO made VALUES ('日本')", database="two")
    world.target.close()
    assert sldb(["--local", str(tmp_path / "databases"), "diff", "one", "two", "--rows", "--format", "json"]) == 0
    shown = capsys.readouterr()
    told = {(line["table"], line["change"]): json.loads(line["after"]) for line in json.loads(shown.out)}
    assert told[("made", "added")] == {"a": "日本"}
    assert told[("r", "changed")] == {"id": 2, "x": "two", "y": 1.5}
    # 'A' is the key 'a' of a column without case, as it is where both are in UTF-8; its text is another.
    assert [change for change in told if change[0] == "w"] == [("w", "changed")] * ("UTF-16le" in encodings)
    assert "ATTACH" not in shown.err


# Collations that only the program has which made the database


def program(path: Path, encoding: str, rows: str, rest: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
        connection.executescript(
            f"PRAGMA encoding = '{encoding}';"
            f"CREATE TABLE t (a TEXT COLLATE unicase PRIMARY KEY, b) {rest}; INSERT INTO t VALUES {rows};"
            "CREATE TABLE plain (a); INSERT INTO plain VALUES (1)"
        )
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_collation_of_a_program_is_needed_by_keys_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    place = ["--local", str(tmp_path / "databases")]
    for name, text_encoding, rows in (("one", "UTF-8", "('x', 1), ('Y', 2)"), ("two", encoding, "('x', 1), ('y', 2)")):
        for kind, rest in (("rowid", ""), ("key", "WITHOUT ROWID")):
            file = program(tmp_path / f"{name}-{kind}.db", text_encoding, rows, rest)
            assert sldb([*place, "push", str(file), "--database", f"{name}-{kind}", "--create"]) == 0
    capsys.readouterr()
    assert sldb([*place, "diff", "one-rowid", "two-rowid", "--format", "csv"]) == 0
    assert 't,table,"",0,0,1,2,2\n' in capsys.readouterr().out
    assert sldb([*place, "diff", "one-key", "two-key"]) == 1
    said = capsys.readouterr().err
    assert "error: the states cannot be compared: no " in said
    assert "the program" in said  # has what is missing
    assert "SELECT" not in said
    assert sldb([*place, "diff", "one-key", "two-key", "--table", "plain"]) == 0
