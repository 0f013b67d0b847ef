"""SQLite files as outputs: one table with all that it needs to work there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, SldbError, Statement, Value
from sldb.client import Client
from sldb.render.layout import Layout
from sldb.transfer import export
from sldb.transfer.database import selection
from sldb.transfer.database.snapshot import Snapshot
from tests.fakes.databases.random_database import VALUES
from tests.sldb.conftest import NewClient
from tests.sldb.transfer.formats.test_dump import RICH
from tests.sldb.transfer.loading import rows, write

MORE = """
CREATE VIRTUAL TABLE hollow_2 USING fts5(z, content='', columnsize=0);
INSERT INTO hollow_2 (rowid, z) VALUES (4, 'b');
CREATE TABLE notes (title);
INSERT INTO notes VALUES ('a big one'), ('a small one');
CREATE VIRTUAL TABLE beside USING fts4(title, content='notes');
"""


@contextmanager
def exported(client: Client, table: str, path: Path) -> Iterator[tuple[int | None, apsw.Connection]]:
    """The number of rows, and the file, opened."""
    source = Snapshot(client)
    count = export.write(source, selection.table(source, table), "sqlite", path, None, Layout())  # type: ignore[arg-type]
    connection = apsw.Connection(str(path))
    yield count, connection
    connection.close()


@pytest.mark.parametrize(
    ("table", "count", "searches"),
    [
        (
            "words",
            2,
            ["SELECT rowid, * FROM words WHERE words MATCH 'run' ORDER BY rank", "SELECT k, v FROM words_config"],
        ),
        ("outside", 2, ["SELECT rowid, * FROM outside WHERE outside MATCH 'big'", "SELECT * FROM posts"]),
        ("hollow", None, ["SELECT rowid FROM hollow WHERE hollow MATCH 'again'"]),
        ("hollow_2", None, ["SELECT rowid FROM hollow_2 WHERE hollow_2 MATCH 'b'"]),
        ("four", None, ["SELECT docid, * FROM four WHERE four MATCH 'text'"]),
        ("beside", 2, ["SELECT docid, * FROM beside", "SELECT rowid, * FROM notes"]),
        ("boxes", 2, ["SELECT * FROM boxes WHERE x0 < -1", "SELECT * FROM boxes"]),
    ],
)
def test_a_virtual_table_works_in_the_file(
    client: Client, tmp_path: Path, table: str, count: int | None, searches: list[str]
) -> None:
    write(client, RICH, MORE)
    with exported(client, table, tmp_path / "one.sqlite") as (found, made):
        assert found == count
        for search in searches:
            assert list(made.execute(search)) == rows(client, search), search
        assert list(made.execute("PRAGMA integrity_check")) == rows(client, f"PRAGMA integrity_check({table})")
        there = {name for (name,) in made.execute("SELECT name FROM sqlite_schema")}
        content = {"outside": {"posts"}, "beside": {"notes"}}.get(table, set())
        assert {name for name in there if not name.startswith((table, "sqlite_", "by_"))} == content


def test_the_content_of_a_virtual_table_must_be_a_table(client: Client, tmp_path: Path) -> None:
    write(client, "CREATE VIEW v AS SELECT 1 AS id, 'text' AS a; CREATE VIRTUAL TABLE f USING fts5(a, content='v')")
    with (
        pytest.raises(SldbError, match="the content of f is the view v") as caught,
        exported(client, "f", tmp_path / "f.db"),
    ):
        pass
    assert "whole database" in caught.value.hint
    assert not (tmp_path / "f.db").exists()


def test_a_table_of_another_module_is_its_rows(client: Client, tmp_path: Path) -> None:
    write(client, RICH, "CREATE VIRTUAL TABLE terms USING fts5vocab('words', 'row')")
    with exported(client, "terms", tmp_path / "terms.sqlite") as (count, made):
        assert list(made.execute("SELECT * FROM terms")) == rows(client, "SELECT * FROM terms")
        assert count == len(rows(client, "SELECT * FROM terms"))


@given(values=st.lists(st.tuples(VALUES, VALUES), max_size=5))
def test_every_value_of_a_table_is_there(
    new_client: NewClient, tmp_path_factory: pytest.TempPathFactory, values: list[tuple[Value, Value]]
) -> None:
    client = new_client()
    write(client, "CREATE TABLE t (a, b, c AS (typeof(a)))")
    for position, row in enumerate(values):
        client.execute(Request((Statement("INSERT INTO t (rowid, a, b) VALUES (?, ?, ?)", (position * 3 + 1, *row)),)))
    with exported(client, "t", tmp_path_factory.mktemp("made") / "t.sqlite") as (count, made):
        query = "SELECT rowid, a, typeof(b), b, c FROM t"
        assert list(made.execute(query)) == rows(client, query)
        assert count == len(values)
