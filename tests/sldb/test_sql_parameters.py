"""The parameters in the text of a statement, against SQLite's own numbers."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.sql_parameters import MAX_EXACT_CHARACTERS, refuse_unused, slots_of

PIECES = st.sampled_from(
    [
        "?",
        "?1",
        "?3",
        ":a",
        "@b",
        "$c",
        ":a",
        ":é",
        "$a::b",
        "':x'",
        '":y"',
        "[?]",
        "/* ? */",
        "-- :z\n",
        "1",
        "x$y",
        "1",
    ]
)


@given(st.lists(PIECES, min_size=1, max_size=6))
def test_parameters_are_numbered_as_by_sqlite(pieces: list[str]) -> None:
    """Property: the names are those that SQLite itself reports, whatever is in quotes and comments."""
    connection = apsw.Connection(":memory:")
    connection.execute('create table t("x$y", ":y", "?")')
    sql = f"select 1 from t where 1 in (0 {''.join(f', {piece} ' for piece in pieces if piece[0] not in '/-')})"
    sql += "".join(piece for piece in pieces if piece[0] in "/-")
    cursor = connection.cursor()
    try:
        cursor.execute(sql, (1,) * 99)
        expected: tuple[str | None, ...] = ()
    except apsw.BindingsError:
        expected = cursor.bindings_names
    slots = slots_of(sql)
    assert tuple(slot or None for slot in slots) == _as_numbers(slots, expected)


def _as_numbers(slots: list[str | None], expected: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """A number for a parameter that was a bare ? before is the same parameter."""
    return tuple(None if slot is None else name for slot, name in zip(slots, expected, strict=True))


@pytest.mark.parametrize("number", ["32767", "99999999999999", "9" * 5000])
def test_a_number_that_sqlite_refuses_takes_no_room(number: str) -> None:
    assert slots_of(f"select ?{number}, :a") == ["a"]


@pytest.mark.parametrize(
    ("texts", "named", "message", "hint"),
    [
        (["select 1"], {"a": 5}, "no statement has the parameter :a", "the SQL names no parameter"),
        (["select :b, $c"], {"a": 5, "b": 1, "d": 2}, "no statement has the parameter :a, :d", "the SQL has :b, :c"),
        (["select :name"], {"nmae": 5}, "no statement has the parameter :nmae", "did you mean :name?"),
        (["select ':a' -- :a"], {"a": 5}, "no statement has the parameter :a", "the SQL names no parameter"),
        (["select ?"], {"a": 5}, "no statement has the parameter :a", "the SQL names no parameter"),
    ],
)
def test_a_value_for_no_parameter_is_refused(
    texts: list[str], named: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(SldbError) as caught:
        refuse_unused(texts, named)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_values_that_one_of_several_texts_takes() -> None:
    refuse_unused(["select :a; select $b", "select @c"], {"a": 1, "b": 2, "c": 3})
    refuse_unused([f"select '{'x' * MAX_EXACT_CHARACTERS}', @c"], {"c": 3})
    with pytest.raises(SldbError, match="no statement has the parameter :d"):
        refuse_unused([f"select '{'x' * MAX_EXACT_CHARACTERS}', @c"], {"d": 3})
