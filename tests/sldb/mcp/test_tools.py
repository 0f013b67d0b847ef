"""The tools over a local target: what they return, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.mcp.tools import MAX_CHARACTERS, MAX_ROWS, Tools
from sldb.targets.local import LocalTarget

SCHEMA = """CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, boss REFERENCES people (id));
CREATE INDEX by_boss ON people (boss);
"""


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    target = LocalTarget(tmp_path)
    made = Tools(Client(target))
    made.write(SCHEMA)
    made.write("INSERT INTO people (name) VALUES ('Ada'), ('Grace')", message="begin")
    yield made
    target.close()


def test_a_query_returns_rows_and_the_state_that_they_are_of(tools: Tools) -> None:
    found = tools.query("SELECT name FROM people WHERE id = ?", [2])
    assert found == {"txid": 2, "columns": ["name"], "rows": [["Grace"]], "row_count": 1, "is_cut": False}
    assert tools.query("SELECT :a", {"a": {"$blob": "AAE="}})["rows"] == [[{"$blob": "AAE="}]]
    assert tools.query("SELECT count(*) FROM people", at=1)["rows"] == [[0]]


@pytest.mark.parametrize("sql", ["DELETE FROM people", "CREATE TABLE t (a)", "SELECT 1; DROP TABLE people"])
def test_a_query_writes_nothing(tools: Tools, sql: str) -> None:
    with pytest.raises(SldbError) as refused:
        tools.query(sql)
    assert refused.value.code == "read_only"
    assert tools.query("SELECT count(*) FROM people")["rows"] == [[2]]


@pytest.mark.parametrize(
    ("limit", "is_cut"),
    [(1, True), (2, False)],
)
def test_no_more_rows_than_asked_for(tools: Tools, limit: int, is_cut: bool) -> None:
    found = tools.query("SELECT id FROM people", limit=limit)
    assert (len(found["rows"]), found["row_count"], found["is_cut"]) == (limit, 2, is_cut)


@pytest.mark.parametrize("limit", [0, -1, MAX_ROWS + 1])
def test_limits_that_no_answer_has(tools: Tools, limit: int) -> None:
    with pytest.raises(SldbError, match="limit"):
        tools.query("SELECT 1", limit=limit)


def test_large_values_are_cut_by_rows_and_never_to_nothing(tools: Tools) -> None:
    many = "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT printf('%*c', ?, 'x') FROM n"
    found = tools.query(many, [MAX_CHARACTERS // 4])
    assert (len(found["rows"]), found["row_count"], found["is_cut"]) == (3, 9, True)
    assert len(tools.query(many, [MAX_CHARACTERS * 2])["rows"]) == 1


def test_the_schema_and_one_of_the_past(tools: Tools) -> None:
    assert tools.schema() == SCHEMA
    tools.write("DROP TABLE people", may_destroy=True)
    assert (tools.schema(), tools.schema(at=2)) == ("", SCHEMA)


def test_a_table(tools: Tools) -> None:
    found = tools.table("PEOPLE")
    assert [column["name"] for column in found["columns"]] == ["id", "name", "boss"]
    assert [index["name"] for index in found["indexes"]] == ["by_boss"]
    assert [key["from"] for key in found["foreign_keys"]] == ["boss"]
    assert found["sql"].startswith("CREATE TABLE people")
    with pytest.raises(SldbError, match="no table pets"):
        tools.table("pets")


def test_plans_and_advice(tools: Tools) -> None:
    slow = tools.explain("SELECT * FROM people WHERE name = ?")
    assert slow["reads_whole_tables"]
    assert slow["advice"] == ["CREATE INDEX people_name ON people (name);"]
    fast = tools.explain("SELECT * FROM people WHERE id = :id")
    assert (fast["reads_whole_tables"], fast["advice"]) == (False, [])


def test_a_preview_says_what_a_write_would_do_and_does_nothing(tools: Tools) -> None:
    found = tools.preview("DELETE FROM people RETURNING name")
    assert found["changes"] == {"people": {"insert": 0, "update": 0, "delete": 2}}
    assert found["destroys"][0]["does"] == "delete"
    assert found["rows"] == [["Ada"], ["Grace"]]
    assert tools.query("SELECT count(*) FROM people")["rows"] == [[2]]


def test_what_destroys_is_confirmed(tools: Tools) -> None:
    with pytest.raises(SldbError) as refused:
        tools.write("DELETE FROM people WHERE id = ?", [1])
    assert refused.value.code == "unconfirmed"
    assert tools.write("DELETE FROM people WHERE id = ?", [1], may_destroy=True) == {"txid": 3, "changed_rows": 1}


def test_a_write_on_what_was_previewed(tools: Tools) -> None:
    seen = tools.preview("INSERT INTO people (name) VALUES ('Edsger')")["txid"]
    tools.write("INSERT INTO people (name) VALUES ('Barbara')", if_txid=seen)
    with pytest.raises(SldbError) as refused:
        tools.write("INSERT INTO people (name) VALUES ('Edsger')", if_txid=seen)
    assert refused.value.code == "conflict"


def test_the_history_has_the_reason_and_the_command(tools: Tools) -> None:
    newest, first = tools.history()
    assert (newest["message"], newest["command"], first["message"]) == ("begin", "mcp", None)
