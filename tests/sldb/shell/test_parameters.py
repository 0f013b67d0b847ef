from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError
from sldb.shell.parameters import NotAnswered, Parameters, parse_name


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
