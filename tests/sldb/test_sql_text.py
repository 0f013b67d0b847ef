from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.sql_text import (
    ends_in_comment,
    ends_in_quotes_or_comment,
    is_blank,
    list_statements,
    may_change_schema,
    may_write,
    possible_names,
    split_statements,
    strip_quoted,
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


@given(TEXTS)
def test_split_loses_nothing(text: str) -> None:
    parts = list(split_statements(text))
    assert "".join(parts) == text
    assert all(parts)


@given(
    st.lists(
        st.sampled_from(["select 1;", " select ';', \"a;b\", [;] ; ", "--x;\nselect 2;", TRIGGER, "/*;*/ select 3;"])
    )
)
def test_split_finds_each_statement(statements: list[str]) -> None:
    found = [part for part in split_statements("".join(statements)) if not is_blank(part)]
    assert [part.strip() for part in found] == [statement.strip() for statement in statements]


def test_list_statements_leaves_out_what_is_blank() -> None:
    assert list_statements(" select 1 ;; -- x\n ; select 2") == ["select 1 ;", "select 2"]


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("SELECT 1", False),
        ("-- INSERT\nselect 'delete'; VALUES (1);", False),
        ("EXPLAIN DELETE FROM t", False),
        ("WITH n AS (SELECT 'update') SELECT * FROM n", False),
        ("WITH n AS (SELECT 1) INSERT INTO t SELECT * FROM n", True),
        ("SELECT 1; DELETE FROM t", True),
        ("PRAGMA user_version = 1", True),
        ("", False),
    ],
)
def test_may_write(sql: str, writes: bool) -> None:
    assert may_write(sql) == writes


def test_may_change_schema() -> None:
    assert may_change_schema("select 1; create table t(a);")
    assert may_change_schema("-- x\nDROP view v;")
    assert not may_change_schema("select 'create'; insert into t values (1);")


def test_names_of_a_statement_and_its_text_without_quotes() -> None:
    sql = """select "a""b", [c d], `e`, f -- g
    from h where i = 'j' /* k */ and l = $1"""
    names = list(possible_names(sql))
    assert names == ["select", 'a"b', "c d", "e", "f", "from", "h", "where", "i", "j", "and", "l", "1"]
    assert strip_quoted("select 'a $1', \"$2\", $3 -- $4") == "select  ,  , $3 "


def test_the_end_of_a_text_inside_quotes_or_a_comment() -> None:
    for text in ("'", "select 'a", 'select "a', "select [a", "select `a", "/*", "/*/", "/* a *", "select 1 -- x"):
        assert ends_in_quotes_or_comment(text), text
    for text in ("", "select 1", "select 'a'", "select 'it''s'", "select [a]", "/* a */", "-- x\n", "select 1 -- x\n"):
        assert not ends_in_quotes_or_comment(text), text
    assert ends_in_comment("select 1 /* a")
    assert not ends_in_comment("select 1 -- a")
