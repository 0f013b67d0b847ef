"""Patterns that are compiled when they are first used."""

from __future__ import annotations

import re

import pytest

from lambda_handlers.shared.patterns import pattern


@pytest.mark.parametrize("flags", [0, re.IGNORECASE])
@pytest.mark.parametrize("text", ["ab", "AB", "abc", ""])
def test_a_pattern_finds_what_one_of_re_finds(text: str, flags: int) -> None:
    ours, usual = pattern("(a)b", flags), re.compile("(a)b", flags)
    for _ in range(2):  # compiled, and found again
        assert [bool(one.fullmatch(text)) for one in (ours, usual)] == [bool(usual.fullmatch(text))] * 2
        assert ours.sub("x", text) == usual.sub("x", text)
    assert (ours.pattern, ours.flags) == (usual.pattern, usual.flags)


def test_a_pattern_is_compiled_once_it_is_used() -> None:
    broken = pattern("(")
    with pytest.raises(re.error):
        broken.match("a")
