from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.shell.catalog import Names
from sldb.shell.completion import last_word, quote, suggest

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
        ("select * from users where name", "", []),
    ],
)
def test_suggest(before: str, after: str, first: list[str]) -> None:
    assert suggest(before, after, NAMES)[: len(first)] == first
    if not first:
        assert "n" not in suggest(before, after, NAMES)


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
