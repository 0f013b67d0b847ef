from __future__ import annotations

import pytest
from hypothesis import given

from lambda_handlers.wire import SldbError
from sldb.shell.reader import Blank, DotCommand, NeedMore, Run, read, read_whole
from tests.sldb.test_sql_text import TEXTS, TRIGGER


@pytest.mark.parametrize(
    ("buffer", "reading"),
    [
        ("", Blank()),
        ("  \n ", Blank()),
        (";", Blank()),
        ("-- only a comment", Blank()),
        ("/* closed */", Blank()),
        ("/* open", NeedMore()),
        ("/*/", NeedMore()),
        ("select 1", NeedMore()),
        ("select ';'", NeedMore()),
        ("select 'open;", NeedMore()),
        ("select 1 -- ;", NeedMore()),
        ("select 1; -- done", Run("select 1; -- done")),
        ("  select 1;\n", Run("select 1;")),
        ("select 1; select 2;", Run("select 1; select 2;")),
        ("select 1; select 2", NeedMore()),
        (TRIGGER[:-5], NeedMore()),
        (TRIGGER, Run(TRIGGER)),
        (".tables", DotCommand("tables")),
        (".TABLES;", DotCommand("tables")),
        (r"\d users;", DotCommand("d", ("users",))),
        (r"\d+ users", DotCommand("d+", ("users",))),
        ('.schema "my table"', DotCommand("schema", ("my table",))),
        (r".read C:\data\a.sql", DotCommand("read", (r"C:\data\a.sql",))),
        ("quit", DotCommand("quit")),
        ("exit;", DotCommand("quit")),
        ("Help ;", DotCommand("help")),
        ("?", DotCommand("help")),
        ("exit 1", NeedMore()),
        (r".h", DotCommand("h")),
        (r"\q", DotCommand("q")),
        (r"\?;", DotCommand("?")),
        ("select 1\\G", Run("select 1", is_vertical=True)),
        ("select 1; select 2 \\G\n", Run("select 1; select 2", is_vertical=True)),
        ("select 1\\g", Run("select 1")),
        ("select '\\G", NeedMore()),
        ("select 1 -- \\G", NeedMore()),
        ("select \\G from t", NeedMore()),
        (""".explain select 'a''b', "c";""", DotCommand("explain", ("""select 'a''b', "c";""",))),
        (".explain\nselect 1", DotCommand("explain", ("select 1",))),
        (".explain", DotCommand("explain")),
        (r"\ns top select 'it''s' limit $1", DotCommand("ns", ("top", "select 'it''s' limit $1"))),
        (r"\ns top", DotCommand("ns", ("top",))),
        (".5 + 1", DotCommand("5", ("+", "1"))),
    ],
)
def test_read(buffer: str, reading: object) -> None:
    assert read(buffer) == reading


@pytest.mark.parametrize(
    ("buffer", "reading"),
    [
        ("select 1", Run("select 1")),
        ("select 1; select 2\n", Run("select 1; select 2")),
        ("select 'open", Run("select 'open")),
        ("select 1\\G", Run("select 1", is_vertical=True)),
        (".tables", DotCommand("tables")),
        ("/* open", NeedMore()),
        ("", Blank()),
    ],
)
def test_read_whole(buffer: str, reading: object) -> None:
    assert read_whole(buffer) == reading


def test_open_quote_in_a_command() -> None:
    with pytest.raises(SldbError, match="a quote is open"):
        read('.schema "users')


@given(TEXTS)
def test_read_understands_anything(buffer: str) -> None:
    try:
        reading = read(buffer)
    except SldbError as error:
        assert error.code == "bad_request"  # noqa: PT017 - most texts raise nothing
        return
    assert isinstance(reading, (Run, DotCommand, NeedMore, Blank))
