"""The rules of what is said about a write: the fact is `details["applied"]`, `sldb.write_outcome` alone has the words
for it, and no code decides on the text of a message.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [path for package in ("sldb", "lambda_handlers") for path in sorted((ROOT / package).rglob("*.py"))]

OUTCOMES = re.compile(
    r"nothing was (applied|changed)|(whether|known).* (was|is) (applied|changed)|was not applied", re.I
)
WORDS_MAY_STAND_IN = {
    "sldb/write_outcome.py",
    "sldb/cli/spec.py",  # what the exit statuses mean
}
# Programs that are not ours have no field for it, or one of English only: read at the boundary, and nowhere else.
DECISIONS_MAY_STAND_IN = {
    "sldb/config/file.py",  # tomllib has the line and the column in its message
    "sldb/aws/errors.py",  # CloudFormation's ValidationError is all kinds of things
    "lambda_handlers/sql/errors.py",  # SQLite's SQLITE_ERROR is all kinds of things
    "lambda_handlers/store/s3.py",  # obstore has the status in its message
}
ASKS = {"startswith", "endswith", "partition", "rpartition", "replace", "removeprefix", "removesuffix", "find", "index"}
MATCHES = {"match", "fullmatch", "search", "sub", "split", "findall"}
ERRORS = re.compile(r"(^|_|\.)(error|err|exc|refusal|failure|doubt|refused|caught)$")


def strings(tree: ast.AST) -> Iterator[str]:
    """The texts that the code may show: none of docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def decisions(tree: ast.AST) -> Iterator[int]:
    """The lines that ask what the text of an error says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            operands = [node.func.value] if node.func.attr in ASKS else []
            operands += node.args if node.func.attr in MATCHES else []
        else:
            continue
        if any(_is_text_of_an_error(operand) for operand in operands):
            yield node.lineno


def _is_text_of_an_error(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=of, attr="message" | "hint"):
            return bool(ERRORS.search(ast.unparse(of)))
        case ast.Call(func=ast.Name(id="str"), args=[of]):
            return bool(ERRORS.search(ast.unparse(of)))
        case ast.Call(func=ast.Attribute(value=of, attr="lower" | "upper" | "strip")):
            return _is_text_of_an_error(of)
    return False


def test_what_became_of_a_write_is_said_in_one_place() -> None:
    said = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in FILES
        if str(path.relative_to(ROOT)) not in WORDS_MAY_STAND_IN
        for text in strings(ast.parse(path.read_text("utf-8")))
        if OUTCOMES.search(text)
    ]
    assert not said


def test_nothing_is_decided_by_the_text_of_a_message() -> None:
    decided = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in FILES
        if str(path.relative_to(ROOT)) not in DECISIONS_MAY_STAND_IN
        for line in decisions(ast.parse(path.read_text("utf-8")))
    ]
    assert not decided


@pytest.mark.parametrize("name", sorted(WORDS_MAY_STAND_IN | DECISIONS_MAY_STAND_IN))
def test_who_is_let_off_is_there(name: str) -> None:
    assert ROOT / name in FILES


@pytest.mark.parametrize(
    "source",
    [
        'if error.message.startswith("no such"): pass',
        'if "no such table" in error.message: pass',
        'what = error.message.partition("; it is")[0]',
        'what = self.error.message.replace("; nothing", "")',
        'if "does not exist" in str(error): pass',
        'if str(error).lower() == "no": pass',
        "found = _PATTERN.fullmatch(error.message)",
        'found = re.search("x", str(refusal))',
    ],
)
def test_the_check_sees_a_decision(source: str) -> None:
    assert list(decisions(ast.parse(source))) == [1]


@pytest.mark.parametrize(
    "text", ["x; nothing was applied", "Nothing was changed", "it is not known whether it was applied"]
)
def test_the_check_sees_the_words(text: str) -> None:
    assert [said for said in strings(ast.parse(f"raise SldbError('conflict', {text!r})")) if OUTCOMES.search(said)]
