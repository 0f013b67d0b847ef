"""The conditions of steps: those of SQL over HTTP and those of requests mean the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.http.hrana.conditions import decode_condition, holds, moved
from lambda_handlers.http.hrana.failure import ProtocolFailure

STEPS = 4
OUTCOMES = st.lists(st.sampled_from([True, False, None]), min_size=STEPS, max_size=STEPS)


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.one_of(
        st.builds(lambda kind, step: {"type": kind, "step": step}, st.sampled_from(["ok", "error"]), st.integers(0, 3)),
        st.just({"type": "is_autocommit"}),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda cond: {"type": "not", "cond": cond}, inner),
            st.builds(
                lambda kind, conds: {"type": kind, "conds": conds}, st.sampled_from(["and", "or"]), st.lists(inner)
            ),
        ),
        max_leaves=6,
    )


def meaning(body: dict[str, Any], outcomes: list[bool | None], is_autocommit: bool) -> bool:
    """The specification, word by word."""
    kind = body["type"]
    if kind == "ok":
        return outcomes[body["step"]] is True
    if kind == "error":
        return outcomes[body["step"]] is not True
    if kind == "is_autocommit":
        return is_autocommit
    if kind == "not":
        return not meaning(body["cond"], outcomes, is_autocommit)
    parts = [meaning(cond, outcomes, is_autocommit) for cond in body["conds"]]
    return all(parts) if kind == "and" else any(parts)


@given(conditions(), OUTCOMES, st.booleans())
def test_a_condition_means_what_the_specification_says(body, outcomes, is_autocommit):
    condition = decode_condition(body, "condition", STEPS, knows_autocommit=True)
    assert holds(condition, outcomes, is_autocommit) == meaning(body, outcomes, is_autocommit)


@given(conditions(), OUTCOMES, st.booleans(), st.integers(0, STEPS), st.integers(0, 3))
def test_it_means_the_same_in_a_request_that_begins_later(body, outcomes, is_autocommit, done, first):
    condition = moved(decode_condition(body, "condition", STEPS, knows_autocommit=True), outcomes[:done], first)
    entries = {first + i: outcome for i, outcome in enumerate(outcomes[done:])}
    assert condition.holds(entries, is_autocommit) == meaning(body, outcomes, is_autocommit)


def nested(depth: int) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "ok", "step": 0}
    for _ in range(depth):
        body = {"type": "not", "cond": body}
    return body


@pytest.mark.parametrize(
    "body",
    [
        5,
        {},
        {"type": "ok"},
        {"type": "ok", "step": 1},
        {"type": "ok", "step": -1},
        {"type": "ok", "step": True},
        {"type": "error", "step": 2},
        {"type": "not"},
        {"type": "and"},
        {"type": "or", "conds": {}},
        {"type": ["ok"], "step": 0},
        nested(20),
        {"type": "and", "conds": [{"type": "ok", "step": 0}] * 1000},
    ],
)
def test_what_is_no_condition_of_the_second_step(body):
    with pytest.raises(ProtocolFailure) as caught:
        decode_condition(body, "condition", 1, knows_autocommit=True)
    assert caught.value.status == 400


def test_version_2_has_no_is_autocommit():
    with pytest.raises(ProtocolFailure):
        decode_condition({"type": "is_autocommit"}, "condition", 1, knows_autocommit=False)
