from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.shell.catalog import Names
from sldb.shell.completion import Candidate, Known, complete, last_word, quote, suggest

NAMES = Names({"users": ["id", "name", "nation"], "orders": ["id", "user_id", "note"], "my table": ["a b", "select"]})


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        ("sel", "", ["SELECT"]),
        ("select na", " from users", ["name", "nation", "NATURAL"]),
        ("select * from us", "", ["users"]),
        ("select * from users join or", "", ["orders"]),
        ("select u.n", " from users u", ["name", "nation"]),
        ("select U.n", " from users AS u", ["name", "nation"]),
        ("select o.", " from users u join orders o on o.id = u.id", ["id", "user_id", "note"]),
        ("select * from users u, orders o where o.n", "", ["note"]),
        ("select orders.us", " from orders", ["user_id"]),
        ("insert into or", "", ["orders"]),
        ("update us", "", ["users"]),
        ('select t."', "", []),
        ("select x.n", " from users u", []),
        ("select * from my", "", ['"my table"']),
        ('select "my table".', ' from "my table"', ['"a b"', '"select"']),
        ("select coun", "", ["count"]),
        ("select generate_s", "", ["generate_series"]),
        ("select sha2", "", ["sha256"]),
        ("select * from users where name", "", []),
    ],
)
def test_suggest(before: str, after: str, first: list[str]) -> None:
    assert suggest(before, after, NAMES)[: len(first)] == first
    if not first:
        assert "n" not in suggest(before, after, NAMES)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ('select * from "us', "", ['"users"']),
        ('select * from "us', '" where 1', ['"users']),  # the quote behind it is there
        ("select * from `or", "", ["`orders`"]),
        ("select * from [my", "", ["[my table]"]),
        ("select * from 'us", "", ['"users"']),
        ('select "na', " from users", ['"name"', '"nation"']),
        ('select u."na', " from users u", ['"name"', '"nation"']),
        ('select "a', ' from "my table"', ['"a b"']),
        ('select 1; select * from "us', "; select 2", ['"users"']),
        ("select * from pragma_table_info('us", "", ["'user_id'", "'users'"]),
        ('select * from "users" where "', " = 1", ['"id"', '"name"', '"nation"', '"users"', '"orders"', '"my table"']),
        ('select 1 -- "us', "", []),
        ('.schema "my', "", ['"my table"']),
        ('.schema "my t', '"', ['"my table']),
        ('.explain select * from "us', "", ['"users"']),
    ],
)
def test_an_opened_quote_is_completed(before: str, after: str, found: list[str]) -> None:
    known = Known(NAMES, {".schema": "table", ".explain": "sql"})
    candidates = complete(before, after, known, is_requested=True)
    assert [candidate.text for candidate in candidates][: len(found)] == found
    assert bool(candidates) is bool(found)
    for candidate in candidates:
        assert candidate.replaces <= len(before)


def test_a_value_in_quotes_is_not_disturbed_while_it_is_typed() -> None:
    known = Known(NAMES)
    assert complete("insert into users values ('us", "", known) == []
    assert complete("insert into users values ('us", "", known, is_requested=True) != []
    assert complete('select "', "", known) == []


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1), st.sampled_from('"`[')
)
def test_a_completed_quote_is_the_name(name: str, mark: str) -> None:
    """Property: SQLite reads the completed text as the name, whatever is in it."""
    typed = "select * from "
    (candidate,) = complete(typed + mark, "", Known(Names({name: ["a"]})), is_requested=True)
    connection = apsw.Connection(":memory:")
    connection.execute('create table "{}"(a)'.format(name.replace('"', '""')))
    text = (typed + mark)[: len(typed + mark) - candidate.replaces] + candidate.text
    assert connection.execute(text).fetchall() == []


def test_columns_of_the_tables_in_use_come_first() -> None:
    found = suggest("select n", " from orders", NAMES)
    assert found[0] == "note"
    assert "name" not in found


@given(st.text(), st.text())
def test_any_text_will_do(before: str, after: str) -> None:
    word = last_word(before)
    assert before.endswith(word)
    for candidate in suggest(before, after, NAMES):
        assert candidate.lower().lstrip('"').startswith(word.lower())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_quoted_names_are_names(name: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(f"create table t({quote(name)})")
    cursor = connection.execute("select name from pragma_table_info('t')")
    assert cursor.fetchall() == [(name,)]
    connection.close()


KNOWN = Known(
    NAMES,
    {".tables": "table", r"\d": "table", ".mode": "format", ".explain": "sql", ".read": "file", ".quit": "", ".at": ""},
    {"format": lambda: ("table", "tsv", "json")},
)


@pytest.mark.parametrize(
    ("before", "found", "replaces"),
    [
        (".t", [".tables"], 2),
        (".", [".at", ".explain", ".mode", ".quit", ".read", ".tables"], 1),
        ("\\", ["\\d"], 1),
        ("  .q", [".quit"], 2),
        (".tables", [], 0),
        (".tables ", ["users", "orders", '"my table"'], 0),
        (".tables us", ["users"], 2),
        (r"\d or", ["orders"], 2),
        (".TABLES or", ["orders"], 2),
        (".tables users or", [], 0),
        (".mode t", ["table", "tsv"], 1),
        (".mode x", [], 0),
        (".quit u", [], 0),
        (".nope u", [], 0),
        (".explain select u.n", ["name", "nation"], 1),
        (".explain select * from or", ["orders"], 2),
    ],
)
def test_commands_and_their_arguments(before: str, found: list[str], replaces: int) -> None:
    after = " from users u" if "u." in before else ""
    assert complete(before, after, KNOWN) == [Candidate(text, replaces) for text in found]


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some where").mkdir()
    for name in ("a.sql", "ab.sql", ".hidden", "some where/x.sql"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert [found.text for found in complete(".read a", "", KNOWN)] == ["a.sql", "ab.sql"]
    assert [found.text for found in complete(".read ", "", KNOWN)] == ["a.sql", "ab.sql", '"some where/']
    assert [found.text for found in complete(".read .h", "", KNOWN)] == [".hidden"]
    assert [found.text for found in complete('.read "some where/', "", KNOWN)] == ['"some where/x.sql"']
    assert [found.text for found in complete(".read some where/", "", KNOWN)] == ['"some where/x.sql"']
    assert [found.text for found in complete(f".read {tmp_path}/ab", "", KNOWN)] == [f"{tmp_path}/ab.sql"]
    assert complete(".read no/such/", "", KNOWN) == []


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("select * from orders; select u.na", " from users u; select 1", ["name", "nation"]),
        ("select * from orders o; select o.", " from users", []),
        ("select 1 -- na", "", []),
        ("select /* na", "", []),
        ("create index i on us", "", ["users"]),
        ("create index i on users (nat", "", ["nation", "NATURAL"]),
        ("with recent as (select 1), old as (select 2) select * from ", "", ["recent", "old", "users"]),
        ("select * from users use", "", ["users"]),
    ],
)
def test_a_statement_of_several(before: str, after: str, found: list[str]) -> None:
    assert suggest(before, after, NAMES)[: len(found) or None] == found


def test_nothing_is_proposed_unasked_for_nothing() -> None:
    assert complete("select ", "", KNOWN) == []
    assert complete("", "", KNOWN) == []
    assert Candidate("id", 0) in complete("select ", "", KNOWN, is_requested=True)
    assert Candidate("id", 0) in complete("select u.", " from users u", KNOWN)


def test_of_a_long_script_what_is_near_counts() -> None:
    far = "select u.id" + ", u.id" * 20_000
    assert suggest(f"{far}, na", " from users u", NAMES)[0] == "name"
    assert suggest("select 1 from users u where " + "1 and " * 20_000 + "u.na", "", NAMES) == []
