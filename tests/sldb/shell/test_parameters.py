from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.shell.parameters import NotAnswered, Parameters, parse_name, slots_of

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


def asked(answers: dict[str, str]) -> tuple[list[tuple[str, str]], object]:
    questions: list[tuple[str, str]] = []

    def ask(name: str, proposal: str) -> str:
        questions.append((name, proposal))
        if name not in answers:
            raise KeyboardInterrupt
        return answers[name]

    return questions, ask


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("select 1", None),
        ("select :a, @b", {"a": 5, "b": "x"}),
        ("select :a; select $b", {"a": 5, "b": "x"}),
        ("select ?, ?", (1, 2.5)),
        ("select ?1", {"1": 1}),
        ("select ?, :a", (1, 5)),
        ("select ?3, ?1", (1, None, "three")),
        ("select :n", {"n": None}),
        ("select ':a'", None),
    ],
)
def test_the_user_is_asked_for_what_is_missing(sql: str, params: object) -> None:
    _, ask = asked({":a": "5", ":b": "x", "?1": "1", "?2": "2.5", "?3": "three", ":n": ":null"})
    assert Parameters().bind(sql, {}, ask) == params  # type: ignore[arg-type]


def test_what_is_set_is_not_asked_for_and_an_answer_is_the_next_proposal() -> None:
    questions, ask = asked({":b": ":text=7"})
    parameters = Parameters({"a": 1})
    assert parameters.bind("select :a, :b", {}, ask) == {"a": 1, "b": "7"}  # type: ignore[arg-type]
    assert parameters.bind("select :b, :a", {"a": 2}, ask) == {"a": 2, "b": "7"}  # type: ignore[arg-type]
    assert questions == [(":b", ""), (":b", ":text=7")]


def test_a_user_who_leaves_runs_nothing_and_an_invalid_answer_is_an_error() -> None:
    _, ask = asked({":a": ":int=x"})
    with pytest.raises(NotAnswered):
        Parameters().bind("select :z", {}, ask)  # type: ignore[arg-type]
    with pytest.raises(SldbError, match="a whole number"):
        Parameters().bind("select :a", {}, ask)  # type: ignore[arg-type]


def test_a_script_is_not_asked() -> None:
    assert Parameters({"a": 1}).bind("select :a, :b", {}, None) == {"a": 1}
    assert Parameters({"1": 1}).bind("select ?, ?", {}, None) == (1,)


@pytest.mark.parametrize(
    ("word", "found"),
    [(":a", ("a", None)), ("a", ("a", None)), ("?1", ("1", None)), ("$a:int", ("a", "int")), ("a b", None), ("", None)],
)
def test_names(word: str, found: object) -> None:
    assert parse_name(word) == found
