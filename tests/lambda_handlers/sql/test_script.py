"""Where statements end."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.sql import script
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
    text = between.join(statements)
    pieces = list(split(text))
    assert [piece.sql.strip().lstrip("; \n") for piece in pieces] == statements
    assert all(text[piece.offset : piece.offset + len(piece.sql)] == piece.sql for piece in pieces)


@given(st.text(alphabet="ab ';\"`[]-*/\n", max_size=60))
def test_nothing_that_was_written_is_lost(text):
    assert sum(len(piece.sql) for piece in split(text)) <= len(text)
    for piece in split(text):
        assert text[piece.offset : piece.offset + len(piece.sql)] == piece.sql


@pytest.mark.parametrize("text", ["", " \n", ";", "-- only a comment", "/* only */ ;; -- comments"])
def test_comments_alone_are_no_statement(text):
    assert list(split(text)) == []


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT 'open ; string", "123", "(SELECT 1)"])
def test_the_last_statement_may_lack_its_semicolon(text):
    assert [piece.sql for piece in split(text)] == [text]


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


def naive(text: str) -> list[str]:
    """As SQLite is asked at every semicolon that stands for itself."""
    pieces, start = [], 0
    for token in script._TOKEN.finditer(text):
        if token[0] == ";" and apsw.complete(text[start : token.end()]):
            pieces.append(text[start : token.end()])
            start = token.end()
    return [piece for piece in [*pieces, text[start:]] if script._is_statement(piece)]


WORDS = [
    "CREATE",
    "TEMP",
    "TRIGGER",
    "EXPLAIN",
    "END",
    "end",
    "x",
    ";",
    " ; ",
    ";END;",
    "'a;'",
    "[b;]",
    "/* ; */",
    "/**/",
]


@given(
    st.lists(st.sampled_from([*WORDS, "-- ;\n", " ", "\n", "\x0b", "\xa0", "BEGIN", "CASE"]), max_size=14),
    st.booleans(),
)
def test_a_trigger_ends_where_sqlite_says(words, is_trigger):
    text = ("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;" if is_trigger else "") + " ".join(words)
    assert [piece.sql for piece in split(text)] == naive(text)
    joined = text.replace(" ", "")
    assert [piece.sql for piece in split(joined)] == naive(joined)


@pytest.mark.parametrize("body", ["SELECT 'x';", "SELECT 1 /* END; */ ;", "/* x */ END x;", "CASE END -- ;\n;"])
def test_sqlite_is_asked_of_a_statement_no_more_often_than_it_may_end(monkeypatch, body):
    """Each time it reads the statement from its start."""
    asked = []
    complete = apsw.complete
    monkeypatch.setattr(apsw, "complete", lambda sql: asked.append(sql) or complete(sql))
    text = "CREATE TRIGGER t AFTER INSERT ON a BEGIN " + body * 900 + " END;"
    assert [piece.sql for piece in split(text)] == [text]
    assert len(asked) == 2


@pytest.mark.parametrize("text", ["SELECT 1;" * 5000, "CREATE TRIGGER t " + "'';''" * 900, "''" * 5000, "/**/" * 5000])
def test_the_clock_is_looked_at_while_a_script_is_split(text):
    looks = iter([False, False, True])

    def check_time():
        if next(looks):
            raise SldbError("query_timeout", "over")

    with pytest.raises(SldbError, match="over"):
        list(split(text, check_time))
