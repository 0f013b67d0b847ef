"""Imports of which many rows are refused: one pass finds the same rows as inserting them one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.targets.local import LocalTarget
from sldb.transfer import ignored_rows, refused_rows, row_search
from sldb.transfer.outcome import Outcome
from tests.sldb.transfer.loading import load, rows, write
from tests.sldb.transfer.test_left_out import GUARDS, TABLE, one_by_one

COLUMNS = "name TEXT NOT NULL, age INT CHECK (age < 200), mail TEXT UNIQUE"
SCHEMAS = {
    "plain": (TABLE,),
    "no constraint but the key": ("CREATE TABLE t (id PRIMARY KEY, name, age, mail)",),
    "without rowid": (f"CREATE TABLE t (id TEXT PRIMARY KEY, {COLUMNS}) WITHOUT ROWID",),
    "strict": (f"CREATE TABLE t (id INT UNIQUE, {COLUMNS}) STRICT",),
    "partial index": (f"CREATE TABLE t (id, {COLUMNS})", "CREATE UNIQUE INDEX i ON t (id) WHERE name <> 'Ada'"),
    "failing index": (TABLE, "CREATE INDEX i ON t (json(age))", "CREATE INDEX j ON t (json(mail)) WHERE name = 'x'"),
    "triggers that raise": (TABLE, *GUARDS),
    "trigger that inserts": (
        TABLE,
        "CREATE TABLE log (name UNIQUE)",
        "CREATE TRIGGER noted AFTER INSERT ON T BEGIN INSERT INTO log VALUES (NEW.name || NEW.age); END",
    ),
    "replaces": (f"CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, {COLUMNS})",),
    "ignores": (f"CREATE TABLE t (id INTEGER PRIMARY KEY ON/**/conflict IGNORE, {COLUMNS})",),
    "fails": (f"CREATE TABLE t (id INTEGER PRIMARY KEY, {COLUMNS} ON CONFLICT FAIL)",),
    "default": ("CREATE TABLE t (id UNIQUE, name, age NOT NULL ON CONFLICT REPLACE DEFAULT 7, mail)",),
}
NAMES = st.sampled_from(["", "Ada", "Bob", "Eve", "Mal", "Zoe", "x"])
IDS = st.sampled_from(["1", "1", "1", "2", "2", "3", "", "x", "4.5"])
ROWS = st.lists(st.tuples(IDS, NAMES, st.sampled_from(["", "5", "5", "300"]), NAMES), max_size=40)


@pytest.mark.parametrize("schema", SCHEMAS)
@settings(max_examples=8)
@given(
    cells=ROWS,
    batch_rows=st.sampled_from([7, 50_000]),
    parts=st.integers(2, 5),
    runs=st.integers(1, 3),
    is_doubled=st.booleans(),
)
def test_the_outcome_is_that_of_inserting_rows_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    schema: str,
    cells: list[tuple[str, ...]],
    batch_rows: int,
    parts: int,
    runs: int,
    is_doubled: bool,
) -> None:
    tmp_path = tmp_path_factory.mktemp("rows")
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    cells = cells * 2 if is_doubled else cells
    path.write_text("id,name,age,mail\n" + "".join(",".join(row) + "\n" for row in cells))
    expected, left_out = one_by_one(SCHEMAS[schema], cells, is_upsert=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_search, "_MAX_PARTS", parts)
        patch.setattr(row_search, "_MIN_PARTS", 2)
        patch.setattr(ignored_rows, "_MAX_RUNS", runs)
        messages = []
        for most in (10_000, 0):  # ranges that may fail
            patch.setattr(refused_rows, "_MANY", most)
            client = Client(LocalTarget(tmp_path / f"db{most}"))
            write(client, *SCHEMAS[schema])
            done = load(client, path, batch_rows=batch_rows, skip=True, rejects=str(out))
            assert rows(client, "SELECT * FROM t") == expected
            assert done.left_out.count == len(left_out)
            if left_out:
                assert out.read_text().splitlines()[1:] == [",".join(row) for row in left_out]
            # The reasons may differ: a row may violate several constraints.
            messages.append([message.split(":")[1] for message in done.left_out.messages])
            client.close()
    assert messages[0] == messages[1]


@pytest.mark.parametrize("is_staged", [False, True])
def test_rows_that_are_all_refused_take_few_requests(client: Client, tmp_path: Path, is_staged: bool) -> None:
    done, requests = imported_twice(client, tmp_path / "t.csv", 20_000, batch_rows=10_000 if is_staged else 50_000)
    assert (done.changed, done.left_out.count) == (0, 20_000)
    assert done.left_out.messages[4].endswith("t.csv:6:1: UNIQUE constraint failed: t.a")
    assert requests < (25 if is_staged else 15)  # staging takes some


def imported_twice(client: Client, path: Path, count: int, **options: Any) -> tuple[Outcome, int]:
    """Return the outcome of the second import, and its requests."""
    path.write_text("a\n" + "".join(f"{i}\n" for i in range(count)))
    write(client, "CREATE TABLE t (a INTEGER PRIMARY KEY)")
    load(client, path, **options)
    before = client.target.exchanges  # type: ignore[attr-defined]  # of LimitedTarget
    done = load(client, path, skip=True, **options)
    return done, client.target.exchanges - before  # type: ignore[attr-defined]  # likewise


def test_two_streams_refuse_each_others_rows(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_rows, "_MANY", 0)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_text("x,y\n1,1\n2,1\n1,2\n")
    write(client, "CREATE TABLE t (x UNIQUE, y)")
    files = [tmp_path / f"{name}.csv" for name in ("a", "b", "c")]
    done = load(client, *files, table="t", skip=True, rejects=str(tmp_path / "out.csv"))
    assert (done.changed, done.left_out.count) == (2, 7)
    assert (tmp_path / "out.csv").read_text() == "x,y\n1,2\n" + "1,1\n2,1\n1,2\n" * 2


def test_rows_without_a_parent_are_found_after_those_that_constraints_refuse(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_rows, "_MANY", 0)
    write(client, "CREATE TABLE t (id INTEGER PRIMARY KEY, of INT REFERENCES t)")
    path, out = tmp_path / "t.csv", tmp_path / "out.csv"
    path.write_text("id,of\n1,9\n2,\n3,2\n" + "2,\n" * 8)
    done = load(client, path, skip=True, rejects=str(out))
    assert (done.changed, out.read_text()) == (2, "id,of\n1,9\n" + "2,\n" * 8)
    assert "of is in no row of t" in done.left_out.messages[0]
    assert done.left_out.messages[1].endswith(":5:1: UNIQUE constraint failed: t.id")


def test_a_table_as_wide_as_can_be_is_searched_without_a_view(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_rows, "_MANY", 0)
    names = ",".join(f"c{number}" for number in range(2000))
    row = ",".join("1" * 2000)
    write(client, f"CREATE TABLE t ({names.replace('c0', 'c0 UNIQUE', 1)})")
    (tmp_path / "t.csv").write_text(f"{names}\n{row}\n{row}\n{row}\n")
    done = load(client, tmp_path / "t.csv", skip=True)
    assert (done.changed, done.left_out.count) == (1, 2)


def test_an_error_that_is_about_no_row_stays(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_rows, "_MANY", 0)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1\n")
    write(client, "CREATE TABLE t (a)")
    with pytest.raises(SldbError, match="has no column"):
        load(client, tmp_path / "t.csv", skip=True)
