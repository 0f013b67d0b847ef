"""The conditions of a request's entries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Request, SldbError
from lambda_handlers.wire.conditions import MAX_CONDITIONS, MAX_DEPTH, Condition, decode_condition

POSITION = 5
LEAVES = st.one_of(
    st.fixed_dictionaries({"ok": st.integers(0, POSITION - 1)}),
    st.fixed_dictionaries({"error": st.integers(0, POSITION - 1)}),
    st.just({"is_autocommit": True}),
)
BODIES = st.recursive(
    LEAVES,
    lambda bodies: st.one_of(
        st.fixed_dictionaries({"not": bodies}),
        st.fixed_dictionaries({"and": st.lists(bodies, max_size=3)}),
        st.fixed_dictionaries({"or": st.lists(bodies, max_size=3)}),
    ),
    max_leaves=8,
)
OUTCOMES = st.fixed_dictionaries({n: st.sampled_from((True, False, None)) for n in range(POSITION)})


def decode(body: object) -> Condition:
    return decode_condition("if", body, POSITION)


def meaning(body: dict[str, Any], outcomes: dict[int, bool | None], is_autocommit: bool) -> bool:
    match body:
        case {"ok": entry}:
            return outcomes[entry] is True
        case {"error": entry}:
            return outcomes[entry] is False
        case {"not": part}:
            return not meaning(part, outcomes, is_autocommit)
        case {"and": parts}:
            return all(meaning(part, outcomes, is_autocommit) for part in parts)
        case {"or": parts}:
            return any(meaning(part, outcomes, is_autocommit) for part in parts)
    return is_autocommit


@given(BODIES, OUTCOMES, st.booleans())
def test_a_condition_holds_as_it_reads(body: dict[str, Any], outcomes: dict[int, bool | None], auto: bool) -> None:
    assert decode(body).holds(outcomes, auto) == meaning(body, outcomes, auto)


@given(BODIES)
def test_a_condition_travels_unchanged(body: dict[str, Any]) -> None:
    assert decode(body).encode() == body
    entries = [{"query": "SELECT 1"}] * POSITION + [{"query": "SELECT 2", "if": body}]
    event = {"statements": entries, "on_error": "continue"}
    assert Request.decode(event).encode() == event


def test_a_condition_of_one_entry_alone_stays_in_its_entry() -> None:
    event = {"statements": [{"query": "SELECT 1", "if": {"is_autocommit": True}}]}
    assert Request.decode(event).encode() == event


def nested(depth: int) -> object:
    body: object = {"ok": 0}
    for _ in range(depth - 1):
        body = {"not": body}
    return body


@pytest.mark.parametrize(
    "body",
    [
        *(
            "ok",
            1,
            [],
            {},
            {"ok": 0, "error": 0},
            {"nope": 1},
            {"ok": POSITION},
            {"ok": -1},
            {"ok": True},
            {"error": "0"},
        ),
        *({"is_autocommit": False}, {"and": {"ok": 0}}, {"or": "ok"}, {"not": [{"ok": 0}]}, {"and": [None]}, {1: 2}),
        nested(MAX_DEPTH + 1),
        nested(100_000),
        {"and": [{"ok": 0}] * MAX_CONDITIONS},
    ],
)
def test_anything_else_is_a_bad_request(body: object) -> None:
    with pytest.raises(SldbError) as caught:
        decode(body)
    assert (caught.value.code, caught.value.details["field"]) == ("bad_request", "if")


def test_conditions_have_limits() -> None:
    decode(nested(MAX_DEPTH))
    decode({"and": [{"ok": 0}] * (MAX_CONDITIONS - 1)})


@pytest.mark.parametrize(
    "event",
    [
        {"query": "SELECT 1", "if": {"is_autocommit": True}},
        {"query": "SELECT 1", "on_error": "ignore"},
        {"query": "SELECT 1", "on_error": True},
        {"statements": [{"query": "SELECT 1", "if": {"ok": 0}}]},
    ],
)
def test_fields_in_the_wrong_place(event: dict[str, Any]) -> None:
    with pytest.raises(SldbError) as caught:
        Request.decode(event)
    assert caught.value.code == "bad_request"
