"""A search agrees with Python's re, in linear time and bounded memory."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.sql.functions import automaton
from lambda_handlers.sql.functions.automaton import Automaton
from lambda_handlers.wire import SldbError

ATOMS = ["a", "b", "é", ".", "[ab]", "[^a]", r"[a-c_]", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"[\d\-b]", "1", " "]
PLACES = [r"\b", "^", "$", r"\A", r"\z", "\n", r"\n", r"\x61", r"\u00e9"]
REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{0,2}?", "{2,}", "*?", "{0}"]
PATTERNS = st.recursive(
    st.sampled_from(ATOMS + PLACES),
    lambda part: st.one_of(
        st.lists(part, max_size=3).map("".join),
        st.lists(part, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(part, st.sampled_from(REPEATS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=8,
)
FLAGS = st.sampled_from(["", "", "(?i)", "(?s)", "(?m)", "(?ims)"])
TEXTS = st.text("abcABÉé1 \n_-", max_size=9)


def search(pattern: str, text: str) -> bool:
    return Automaton(pattern, lambda: None).search(text)


def searched_by_python(pattern: str, text: str) -> bool:
    pattern = pattern.replace(r"\z", r"\Z")
    if not pattern.startswith(("(?m)", "(?ims)")):
        pattern = pattern.replace("$", r"\Z")  # there it also matches before a last line feed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.search(pattern, text) is not None


@given(FLAGS, PATTERNS, TEXTS)
@example("", "(a|b*)*$", "abac")
@example("(?m)", "^$", "a\n\nb")
def test_a_search_agrees_with_python(flags: str, pattern: str, text: str) -> None:
    assert search(flags + pattern, text) == searched_by_python(flags + pattern, text)


@given(st.lists(st.tuples(PATTERNS, TEXTS), max_size=4))
def test_what_an_automaton_remembers_makes_no_difference(searches: list[tuple[str, str]]) -> None:
    for pattern, first in searches:
        one = Automaton(pattern, lambda: None)
        for text in (first, first * 2, "b" + first, first):
            assert one.search(text) == search(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("[[:alpha:]]+[[:digit:]]", "ab1", True),
        ("[[:^alpha:]]", "ab", False),
        ("[]a]", "]", True),
        ("[^]a]", "]", False),
        ("[a-]", "-", True),
        (r"[\]]", "]", True),
        (r"\x{1F600}", "\U0001f600", True),
        ("(?i)straße", "STRAßE", True),
        ("(?i)[a-z]", "Q", True),
        ("a{,2}", "a{,2}", True),
        ("{", "{", True),
        ("", "", True),
        (r"\B", "", True),
        ("a|", "x", True),
    ],
)
def test_syntax(pattern: str, text: str, expected: bool) -> None:
    assert search(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "a ( has no )"),
        (")", "a ) without"),
        ("[a", "ends too early"),
        ("a\\", "ends too early"),
        ("*a", "nothing to repeat"),
        ("a**", "a repetition is repeated"),
        ("a{1001}", "goes up to 1,000"),
        ("a{3,2}", "goes up to 1,000"),
        ("[b-a]", "a range ends"),
        ("[a-\\d]", "a range ends"),
        (r"(a)\1", "no meaning"),
        (r"\p{L}", "no meaning"),
        ("(?=a)", "no such kind of group"),
        ("(?<=a)b", "no such kind of group"),
        ("[[:nope:]]", "no such class"),
        (r"\x{FFFFFF}", "no such character"),
        ("(" * 101 + ")" * 101, "100 deep"),
        ("a" * 10_001, "more than 10,000 characters"),
        ("(a{1000}){1000}", "more than 5,000 steps"),
        ("((a?){500}){500}", "more than 5,000 steps"),
    ],
)
def test_a_mistake_is_an_error(pattern: str, message: str) -> None:
    with pytest.raises(SldbError) as caught:
        search(pattern, "a")
    assert caught.value.code == "sql_error"
    assert message in caught.value.message


@given(st.text("ab(|)[]{}^$*+?.\\dwbxu,-1i:", max_size=14), TEXTS)
def test_any_text_is_a_pattern_or_an_error(pattern: str, text: str) -> None:
    with suppress(SldbError):
        assert search(pattern, text) in (True, False)


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "(a*)*b", "(.*)(.*)(.*)(.*)x", "(a?){30}a{30}b"])
def test_work_is_linear_in_the_text(pattern: str) -> None:
    """The steps that are computed, rather than looked up, do not grow with the text."""
    counts = []
    for length in (200, 2000):
        checks: list[None] = []
        assert not Automaton(pattern, lambda checks=checks: checks.append(None)).search("a" * length + "!")  # type: ignore[misc]
        counts.append(len(checks))
    assert counts[0] == counts[1] < 100


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "MAX_REMEMBERED", 500)
    text = bin(3**900)[2:].replace("0", "a").replace("1", "b")  # without a period: many states
    one = Automaton("(a|b)*a(a|b){12}c", lambda: None)
    assert not one.search(text)
    assert sum(len(nodes) for nodes, _ in one._states) <= 500 + len(one._next)
    assert one.search("a" * 13 + "c")


def test_a_search_stops_when_time_is_up() -> None:
    class Over(Exception):
        pass

    left = iter(range(50))

    def check() -> None:
        if next(left, None) is None:
            raise Over

    one = Automaton("a", check)
    with pytest.raises(Over):
        one.search("b" * 65_536 * 60)
