from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.shell.reader import (
    Blank,
    DotCommand,
    NeedMore,
    Run,
    changes_schema,
    code,
    is_blank,
    names,
    read,
    split,
)

TRIGGER = "create trigger t after insert on a begin update b set x = ';'; delete from c; end;"
PIECES = st.sampled_from(
    [
        "select 1",
        ";",
        "'",
        "';'",
        '"a;b"',
        "--;\n",
        "/*;*/",
        "/*",
        "\n",
        " ",
        "begin",
        "end",
        "case",
        "[;]",
        "`;`",
        TRIGGER,
        "é",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))


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
        ("exit", DotCommand("exit")),
        ("exit 1", NeedMore()),
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


@given(TEXTS)
def test_split_loses_nothing(text: str) -> None:
    parts = list(split(text))
    assert "".join(parts) == text
    assert all(parts)


@given(
    st.lists(
        st.sampled_from(["select 1;", " select ';', \"a;b\", [;] ; ", "--x;\nselect 2;", TRIGGER, "/*;*/ select 3;"])
    )
)
def test_split_finds_each_statement(statements: list[str]) -> None:
    found = [part for part in split("".join(statements)) if not is_blank(part)]
    assert [part.strip() for part in found] == [statement.strip() for statement in statements]


def test_changes_schema() -> None:
    assert changes_schema("select 1; create table t(a);")
    assert changes_schema("-- x\nDROP view v;")
    assert not changes_schema("select 'create'; insert into t values (1);")


def test_code_and_names_of_a_statement() -> None:
    sql = """select "a""b", [c d], `e`, f -- g
    from h where i = 'j' /* k */ and l = $1"""
    assert list(names(sql)) == ["select", 'a"b', "c d", "e", "f", "from", "h", "where", "i", "j", "and", "l", "1"]
    assert code("select 'a $1', \"$2\", $3 -- $4") == "select  ,  , $3 "
