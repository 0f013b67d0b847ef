"""The names of states."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError
from sldb.diff.schema import State


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("41", State("here", 41)),
        ("2026-11-01T10:00:00Z", State("here", "2026-11-01T10:00:00.999Z")),
        ("2026-11-01 19:00:00+09:00", State("here", "2026-11-01T10:00:00.999Z")),
        ("yesterday@now", State("yesterday", None)),
        ("staging", State("staging", None)),
        ("staging@41", State("staging", 41)),
        ("staging@now", State("staging", None)),
        ("2026@now", State("2026", None)),
        ("a@2026-11-01T10:00:00.5Z", State("a", "2026-11-01T10:00:00.500Z")),
    ],
)
def test_states(text: str, state: State) -> None:
    assert State.parse(text, "here") == state


@pytest.mark.parametrize("text", ["yesterday", "2h ago", "10m", "2026-11-01", "2026-11-01 10:00"])
def test_what_can_be_read_as_a_moment_is_one(text: str) -> None:
    for named, database in ((text, "here"), (f"staging@{text}", "staging")):
        state = State.parse(named, "here")
        assert state.database == database
        assert isinstance(state.at, str)
        assert state.at.endswith("Z")


@pytest.mark.parametrize("text", ["", "Main", "a b", "@41", "main@", "../x@1"])
def test_what_names_none(text: str) -> None:
    with pytest.raises(SldbError, match="names no state"):
        State.parse(text, "here")
