from __future__ import annotations

import pytest

from lambda_handlers.shared.did_you_mean import closest, question


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("uers", ["orders", "users"], ["users", "orders"]),
        ("UERS", ["Users"], ["Users"]),
        ("xyz", ["users"], []),
        ("", ["users"], []),
        ("users", [], []),
    ],
)
def test_the_closest_words(word: str, known: list[str], found: list[str]) -> None:
    assert closest(word, known) == found


def test_the_question() -> None:
    assert question(["a", "b"]) == "did you mean a or b?"
    assert question([]) == ""
