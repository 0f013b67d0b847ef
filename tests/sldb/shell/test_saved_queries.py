"""Named queries: kept whole or not at all, and their arguments are bound, never pasted."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.shell.commands.registry import obey
from sldb.shell.output import Output
from sldb.shell.reader import DotCommand, read
from sldb.shell.saved_queries import SavedQueries, bind_arguments
from sldb.shell.session import Session
from tests.fakes.targets.sqlite_target import SqliteTarget


@pytest.fixture
def queries(tmp_path: Path) -> SavedQueries:
    return SavedQueries(tmp_path / "new" / "queries.json")


def test_they_are_kept_and_forgotten(queries: SavedQueries) -> None:
    assert queries.all() == {}
    queries.save("top", "select 'é' limit $1")
    queries.save("all", "select 1")
    queries.save("top", "select 2")
    assert SavedQueries(queries.path).all() == {"all": "select 1", "top": "select 2"}
    assert queries.path.stat().st_mode & 0o077 == 0
    queries.forget("all")
    assert list(queries.all()) == ["top"]
    for failing in (lambda: queries.get("all"), lambda: queries.forget("all")):
        with pytest.raises(SldbError, match="no named query all"):
            failing()


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', "\xff"])
def test_a_file_of_something_else_is_left_alone(queries: SavedQueries, content: str) -> None:
    queries.path.parent.mkdir()
    queries.path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SldbError, match="cannot be read"):
        queries.save("a", "select 1")
    assert queries.path.read_bytes() == content.encode("latin-1")


def test_a_write_that_fails_keeps_what_was(queries: SavedQueries, monkeypatch: pytest.MonkeyPatch) -> None:
    queries.save("a", "select 1")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(SldbError, match="cannot be written"):
        queries.save("b", "select 2")
    assert os.listdir(queries.path.parent) == ["queries.json"]
    assert queries.all() == {"a": "select 1"}


@pytest.mark.parametrize("name", ["", "a b", "1", "../a", "-x"])
def test_names(queries: SavedQueries, name: str) -> None:
    with pytest.raises(SldbError, match="want a name"):
        queries.save(name, "select 1")


def test_arguments() -> None:
    assert bind_arguments("q", "select $1, $2, '$3' -- $4", ["5", "x'; drop table t; --"]) == {
        "1": 5,
        "2": "x'; drop table t; --",
    }
    assert bind_arguments("q", "select 1", []) is None
    for arguments in ([], ["1", "2"]):
        with pytest.raises(SldbError, match="want 1"):
            bind_arguments("q", "select $1", arguments)


def test_in_the_shell(queries: SavedQueries) -> None:
    out = io.StringIO()
    session = Session(Client(SqliteTarget()), Output(out, io.StringIO(), format="jsonl", timing=False), queries=queries)
    for line in (r"\ns twice select $1 || ';' || $1 as t;", r"\n twice 'it''s'", r"\n", r"\nd twice", r"\n"):
        command = read(line)
        assert isinstance(command, DotCommand)
        obey(command, session)
    assert out.getvalue().splitlines() == [
        '{"t": "its;its"}',
        '{"name": "twice", "sql": "select $1 || \';\' || $1 as t;"}',
    ]


@pytest.mark.parametrize("sql", ["select ?", "select ?1", "select :x"])
def test_who_writes_places_in_another_way_is_told_how(sql: str) -> None:
    with pytest.raises(SldbError) as caught:
        bind_arguments("q", sql, ["1"])
    assert "$1" in caught.value.hint
