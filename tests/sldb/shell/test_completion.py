from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, Statement
from sldb.shell.catalog import ForeignKey, Names, everything
from sldb.shell.completion import Candidate, Known, complete, last_word, suggest
from sldb.shell.sources import quote
from sldb.targets.local import LocalTarget

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


RELATED = Names(
    {
        "users": ["id", "team_id", "boss", "status"],
        "orders": ["id", "user_id", "status", "level"],
        "teams": ["team_id", "name"],
        "lines": ["order", "nr", "part"],
        "parts": ["order", "nr"],
        "x": ["id"],
    },
    keys=(
        ForeignKey("users", "teams", (("team_id", "team_id"),)),
        ForeignKey("users", "users", (("boss", "id"),)),
        ForeignKey("orders", "users", (("user_id", "id"),)),
        ForeignKey("parts", "lines", (("order", "order"), ("nr", "nr"))),
    ),
    values={"orders": {"status": ["'new'", "'it''s'"], "level": ["1", "2"]}, "users": {"status": ["'on'"]}},
)


def test_what_is_known_of_the_tables_is_read_from_their_schema(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    target.send(
        Request(
            (
                Statement(
                    """create table Users(id integer primary key); create table pairs(a, b, primary key (a, b));
                    create table "my orders"(user int references users, state text check (state in ('new', 'old')),
                        a, b, foreign key (a, b) references pairs, foreign key (b) references gone);"""
                ),
            )
        )
    )
    names = Names.from_reply(target.send(everything()))
    target.close()
    assert set(names.keys) == {
        ForeignKey("my orders", "users", (("user", "id"),)),
        ForeignKey("my orders", "pairs", (("a", "a"), ("b", "b"))),
    }
    assert names.values == {"my orders": {"state": ["'new'", "'old'"]}}
    before = 'select * from "my orders" o join pairs p on '
    assert suggest(before, "", names)[0] == "o.a = p.a AND o.b = p.b"


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        ("select * from orders o join users u on ", "", ["o.user_id = u.id"]),
        ("select * from users u join orders o on ", "", ["o.user_id = u.id"]),
        ("SELECT * FROM orders JOIN users ON ", "", ["orders.user_id = users.id"]),
        ("select * from orders o left join users as u on o", "", ["o.user_id = u.id"]),
        ("select * from users a join users b on ", "", ["a.boss = b.id", "b.boss = a.id"]),
        ("select * from orders o join users u on o.user_id = u.id join teams t on ", "", ["u.team_id = t.team_id"]),
        ("select * from parts p join lines l on ", "", ['p."order" = l."order" AND p.nr = l.nr']),
        ("select * from orders o join x on ", "", ["id"]),
        ("select 1; select * from orders o join users u on ", "; select 2", ["o.user_id = u.id"]),
        ("select * from orders join ", "", ["users", "teams"][:1]),
        ("select * from users u join ", " on true", ["teams", "users", "orders"]),
        ("select * from users join teams using ", "", ["(team_id)"]),
        ("select * from users join teams using (", "", ["team_id"]),
        ("select * from parts join lines using ", "", ['("order", nr)']),
        ('select * from parts join lines using ("order", ', "", ["nr"]),
        ("select * from users u join orders using ", "", ["(id)", "(status)"]),
        ("select * from orders where status = ", "", ["'new'", "'it''s'"]),
        ("select * from orders where level in (1, ", "", ["1", "2"]),
        ("select * from users u, orders o where o.status <> ", "", ["'new'"]),
        ("select * from users u, orders o where u.status is not ", "", ["'on'"]),
        ("update orders set status = ", "", ["'new'"]),
        ("select status = ", " from orders", ["'new'"]),
    ],
)
def test_the_schema_says_what_is_likely(before: str, after: str, first: list[str]) -> None:
    assert suggest(before, after, RELATED)[: len(first)] == first


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("select * from orders where status = '", ["'new'", "'it''s'"]),
        ("select * from orders where status in ('new', 'it", ["'it''s'"]),
        ("update orders set status='n", ["'new'"]),
        ("select * from orders where level = '", []),
    ],
)
def test_the_values_of_a_check_in_quotes(before: str, found: list[str]) -> None:
    candidates = [candidate.text for candidate in complete(before, "", Known(RELATED), is_requested=True)]
    assert candidates[: len(found)] == found
    assert found or "'1'" not in candidates


def test_the_values_of_a_check_are_shown_while_one_is_typed() -> None:
    known = Known(RELATED)
    assert complete("select * from orders where status = 'n", "", known) == [Candidate("'new'", 2)]
    assert complete("select * from orders where status = '", "", known) == []


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
