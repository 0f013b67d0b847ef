"""Where statements end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.sql.script import first_word, split
from lambda_handlers.wire import SldbError

TRIGGER = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT ';'; DELETE FROM b; END;"
STATEMENTS = [
    "SELECT 1;",
    "INSERT INTO t VALUES ('a;b''c;', \";\", [;], `;`);",
    "-- a comment; with a semicolon\nSELECT 2;",
    "/* ; */ SELECT /* ' */ 3;",
    TRIGGER,
    "WITH x AS (SELECT 1) DELETE FROM t;",
    "SELECT 'é;漢';",
]


@given(st.lists(st.sampled_from(STATEMENTS), max_size=8), st.sampled_from(["", " ", "\n\n", ";", " ; ;\n"]))
def test_a_script_splits_into_the_statements_that_it_was_made_of(statements, between):
    script = between.join(statements)
    pieces = list(split(script))
    assert [piece.sql.strip().lstrip("; \n") for piece in pieces] == statements
    assert all(script[piece.offset : piece.offset + len(piece.sql)] == piece.sql for piece in pieces)


@given(st.text(alphabet="ab ';\"`[]-*/\n", max_size=60))
def test_nothing_that_was_written_is_lost(script):
    assert sum(len(piece.sql) for piece in split(script)) <= len(script)
    for piece in split(script):
        assert script[piece.offset : piece.offset + len(piece.sql)] == piece.sql


@pytest.mark.parametrize("script", ["", " \n", ";", "-- only a comment", "/* only */ ;; -- comments"])
def test_comments_alone_are_no_statement(script):
    assert list(split(script)) == []


@pytest.mark.parametrize("script", ["SELECT 1", "SELECT 'open ; string", "123", "(SELECT 1)"])
def test_the_last_statement_may_lack_its_semicolon(script):
    assert [piece.sql for piece in split(script)] == [script]


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        (" vacuum into 'x'", "VACUUM"),
        ("/* VACUUM */ select 1", "SELECT"),
        ("--x\n;/**/ Pragma y", "PRAGMA"),
        ("", ""),
        ("'vacuum'", ""),
    ],
)
def test_the_first_word(sql, word):
    assert first_word(sql) == word


def test_a_statement_of_countless_semicolons_is_refused():
    with pytest.raises(SldbError, match="semicolons") as caught:
        list(split("CREATE TRIGGER t AFTER INSERT ON a BEGIN " + "SELECT 1;" * 2000))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    "text", ["'a'; SELECT 1", "SELECT 1; (SELECT 2); SELECT 3", "5;", "[x];SELECT 1", "SELECT 1; /*"]
)
def test_what_begins_with_no_letter_is_a_statement_too(text):
    """SQLite says what is wrong with it; left out, the rest would run as if nothing were."""
    assert "".join(piece.sql for piece in split(text)).replace(" ", "") == text.replace(" ", "")
