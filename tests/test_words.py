"""The words of docstrings: plain technical English, by what can be counted.

The limits are those of well-kept codebases (doc2dash, chalice, sqlite-utils): at most 2 % of their docstrings begin
with one of `VAGUE`, and 1.5 to 1.7 of a hundred words are relative words.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.test_structure import product

VAGUE = {
    *("Of", "What", "Whether", "Which", "Who", "Whose", "Whoever", "Whom", "Where", "When", "How", "Why", "That"),
    *("As", "If", "Because", "All", "Only", "Not", "No", "None", "Nothing", "Nobody", "Somebody"),
}
RELATIVE = {"who", "whom", "whose", "which", "that", "what", "whoever", "whatever", "where", "when"}
NOBODY = {"somebody", "nobody", "whoever", "anybody", "everybody"}
MAX_RELATIVE = 2.0  # of a hundred words


@dataclass(frozen=True, slots=True)
class Docstring:
    place: str
    words: tuple[str, ...]


def docstrings(path: Path) -> Iterator[Docstring]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node) or ""
            yield Docstring(f"{path}:{getattr(node, 'lineno', 1)}", tuple(re.findall(r"[A-Za-z']+", text)))


@cache  # and not at the import: every worker imports all tests
def all_docstrings() -> list[Docstring]:
    return [found for path in product() for found in docstrings(path) if found.words]


def test_a_docstring_begins_with_a_verb_or_a_noun() -> None:
    assert [f"{found.place}: {found.words[0]}" for found in all_docstrings() if found.words[0] in VAGUE] == []


def test_relative_words_are_few() -> None:
    words = [word.lower() for found in all_docstrings() for word in found.words]
    assert 100 * sum(word in RELATIVE for word in words) / len(words) <= MAX_RELATIVE


def test_a_program_is_not_called_somebody() -> None:
    assert [found.place for found in all_docstrings() if NOBODY & {word.lower() for word in found.words}] == []
