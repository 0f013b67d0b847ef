"""Tables and rows of an import: what becomes of those that are there, by modes and constraints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.wire import SldbError
from sldb.client import Client
from tests.sldb.transfer.loading import load, rows, write


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
        with pytest.raises(SldbError, match="table people already exists"):
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

    def test_generated_columns_are_left_to_the_table(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        path = tmp_path / "t.csv"
        path.write_text("v,ID,s,a\n8,1,16,4\n,2,,5\n")
        made = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, v AS (a * 2), s AS (v * 2) STORED)"
        write(client, made, "INSERT INTO t (id, a) VALUES (1, 3)", made.replace("TABLE t", "TABLE u"))
        options: tuple[dict[str, Any], ...] = ({"replace": True}, {"upsert": ("id",)}, {"table": "u"})
        for each in options:
            done = load(client, path, batch_rows=batch_rows, **each)
            table = each.get("table", "t")
            assert done.generated == (f"{table}.v", f"{table}.s")
            assert rows(client, f"SELECT * FROM {table}") == [(1, 4, 8, 16), (2, 5, 10, 20)]
        path.write_text("v,s\n8,16\n")
        with pytest.raises(SldbError, match="all its columns are generated"):
            load(client, path, batch_rows=batch_rows)

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


@pytest.mark.parametrize("batch_rows", [1, 50_000])
class TestNames:
    """Names are equal as SQLite compares them: only the letters of ASCII have no case."""

    def test_files_with_other_cases_in_their_headers_make_one_table(
        self, client: Client, tmp_path: Path, batch_rows: int
    ) -> None:
        (tmp_path / "1.csv").write_text("a,b\n1,2\n")
        (tmp_path / "2.csv").write_text("B,A\n20,10\n")
        load(client, tmp_path / "1.csv", tmp_path / "2.csv", table="t", batch_rows=batch_rows)
        assert rows(client, "SELECT a, b FROM t") == [(1, 2), (10, 20)]

    def test_letters_beyond_ascii_differ_by_case(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        (tmp_path / "É.csv").write_text("É,é\n1,2\n")
        (tmp_path / "é.csv").write_text("É,é\n3,4\n")
        for _ in range(2):  # into new tables, and into these
            load(client, tmp_path / "É.csv", tmp_path / "é.csv", upsert=("é",), batch_rows=batch_rows)
        assert rows(client, 'SELECT * FROM "É" JOIN "é"') == [(1, 2, 3, 4)]

    def test_a_key_in_another_case_beyond_ascii_is_none(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        (tmp_path / "t.csv").write_text("É,v\n1,2\n")
        with pytest.raises(SldbError, match="--upsert é: there is no such column"):
            load(client, tmp_path / "t.csv", upsert=("é",), batch_rows=batch_rows)

    def test_an_empty_text_is_null_by_the_type_of_the_whole_table(
        self, client: Client, tmp_path: Path, batch_rows: int
    ) -> None:
        (tmp_path / "1.tsv").write_text("a\tb\n1\tx\n\ty\n")
        (tmp_path / "2.tsv").write_text("a\tb\nz\tz\n")
        load(client, tmp_path / "1.tsv", tmp_path / "2.tsv", table="t", batch_rows=batch_rows)
        assert rows(client, "SELECT a FROM t") == [("1",), ("",), ("z",)]
