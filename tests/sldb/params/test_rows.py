"""Rows of parameters from files: exactly the values of our own formats, and the line of invalid ones."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Column, Result, SldbError, Value
from sldb import render
from sldb.params import rows as param_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(st.none(), st.integers(INTEGER_MIN, INTEGER_MAX), st.floats(allow_nan=False), TEXTS, st.binary())


def rows_of(name: str, content: str | bytes) -> list[object]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [row.params for row in param_rows.read(path)]


def written(format_name: str, rows: list[tuple[Value, ...]]) -> str:
    out = io.StringIO(newline="")
    columns = tuple(Column(name, None) for name in ("a", "b"))
    render.write([Result(columns, rows, len(rows))], format_name, out)
    return out.getvalue()


@given(st.lists(st.tuples(VALUES, VALUES)), st.sampled_from(["json", "jsonl"]))
def test_what_was_written_as_json_is_read_exactly(rows: list[tuple[Value, ...]], format_name: str) -> None:
    read = rows_of(f"x.{format_name}", written(format_name, rows))
    assert [repr(row) for row in read] == [repr({"a": a, "b": b}) for a, b in rows]


@given(st.lists(st.tuples(st.one_of(st.none(), TEXTS), st.integers(INTEGER_MIN, INTEGER_MAX))))
@example([("a\r\nb\rc", 1), ("\r", 2)])
def test_what_was_written_as_text_and_numbers_is_read_as_the_same(rows: list[tuple[Value, ...]]) -> None:
    """But for a text that looks just like a number, which is one then: a column of text makes it a text again."""
    for format_name in ("csv", "tsv"):
        read = rows_of(f"x.{format_name}", written(format_name, rows))
        assert [{name: shown(value) for name, value in row.items()} for row in read] == [  # type: ignore[attr-defined]
            {"a": shown(a), "b": shown(b)} for a, b in rows
        ]


def shown(value: Value) -> str | None:
    return None if value is None else str(value)


def test_null_and_the_empty_text_differ() -> None:
    assert rows_of("x.csv", 'a,b\n,""\n') == [{"a": None, "b": ""}]
    assert rows_of("x.tsv", "a\tb\n\\N\t\n") == [{"a": None, "b": ""}]
    assert rows_of("x.csv", "a\n\n1\n") == [{"a": None}, {"a": 1}]
    assert rows_of("x.csv", "a,b\n\n1,2\n\n") == [{"a": 1, "b": 2}]


def test_quoted_numbers_are_text() -> None:
    assert rows_of("x.csv", 'a,b\r\n"1",1\r\n01,1.5') == [{"a": "1", "b": 1}, {"a": "01", "b": 1.5}]


def test_other_json() -> None:
    lines = '{":a": true, "b": {"k": [1, "é"]}}\n\n["x", null, [1], {"$blob": "AP8="}]\n'
    assert rows_of("x.jsonl", lines) == [{"a": 1, "b": '{"k": [1, "é"]}'}, ("x", None, "[1]", b"\x00\xff")]
    assert rows_of("x.json", "") == rows_of("x.json", "[]") == rows_of("x.csv", "") == rows_of("x.csv", "a,b\n") == []
    assert rows_of("x.csv", b"\xef\xbb\xbfa\n1\n") == [{"a": 1}]


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("x.jsonl", '{"a": 1}\n{"a": \n', 2, "JSON"),
        ("x.jsonl", '{"a": 1}\n5\n', 2, "an object of named parameters"),
        ("x.jsonl", '{"a": 9223372036854775808}', 1, "64 bits"),
        ("x.jsonl", '{"a": {"$base64": true, "encoded": "?"}}', 1, "base64"),
        ("x.json", "{}", 1, "an array"),
        ("x.csv", "a,b\n1,2\n3\n", 3, "2 cells"),
        ("x.csv", 'a,b\n"x\ny",2\n3,4,5\n', 4, "2 cells"),
        ("x.csv", 'a\n"open\n', 2, "quotes"),
        ("x.csv", 'a\nb"c\n', 2, "quotes"),
        ("x.tsv", "a\tb\n1\n", 2, "2 cells"),
    ],
)
def test_what_makes_no_sense_is_named_by_its_line(name: str, content: str, line: int, says: str) -> None:
    with pytest.raises(SldbError) as caught:
        rows_of(name, content)
    assert caught.value.code == "bad_request"
    assert f"{name}:{line}: want " in caught.value.message
    assert says in caught.value.message


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for name, content in {"x.xls": b"", "x.csv": b"a\n\xff"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SldbError) as caught:
            param_rows.read(tmp_path / name)
        assert caught.value.code == "bad_request"
    with pytest.raises(SldbError, match="cannot be read: No such file"):
        param_rows.read(tmp_path / "none.csv")


def test_a_file_too_large_for_a_request_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(param_rows.MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", None)
    with pytest.raises(SldbError) as caught:
        param_rows.read(path)
    assert caught.value.code == "too_large"
    assert f"sldb import {path}" in caught.value.hint


def test_quotes_that_open_and_never_close_take_no_time() -> None:
    with pytest.raises(SldbError, match="quotes"):
        rows_of("x.csv", 'a\n"' + 'x""' * 500_000)
