"""JSON in its three shapes: sldb reads its own output back, and reports errors with their places."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError, Value
from sldb.render import formats
from sldb.transfer.formats import json_rows
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.json_rows import JsonRows
from tests.fakes.databases.random_database import VALUES


def read(
    text: str | bytes, by_line: bool = False, skip: bool = False
) -> tuple[list[str], list[tuple[int, list[Value]]], BadRows]:
    bad = BadRows(skip)
    content = io.BytesIO(text.encode() if isinstance(text, str) else text)
    rows = JsonRows(content, "x.json", by_line, bad, "utf-8")
    found = [(line, list(values)) for line, values in rows]
    return rows.columns, found, bad


@pytest.mark.parametrize("shape", ["array", "objects", "lines", "indented"])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
@given(rows=st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1))
def test_what_is_written_is_read_back(shape: str, chunk: int, rows: list[list[Value]]) -> None:
    lines = list(formats.json_lines(["a", "ö b"], [tuple(row) for row in rows]))
    text = {
        "array": f"[\n{','.join(lines)}\n]\n",
        "indented": json.dumps([json.loads(line) for line in lines], indent=2),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "_CHUNK_BYTES", chunk)
        columns, found, _ = read(text.get(shape, "\n".join(lines)), by_line=shape == "lines")
    assert columns == ["a", "ö b"]
    assert [values for _, values in found] == rows
    assert [[type(value) for value in values] for _, values in found] == [
        [type(value) for value in row] for row in rows
    ]


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", "9223372036854775808"),
        ("true", 1),
        ("null", None),
        ("1.0", 1.0),
        ("NaN", None),
        ('{"x": [1, "é"]}', '{"x": [1, "é"]}'),
        ("[]", "[]"),
        ('{"$base64": true, "encoded": "AP8="}', b"\0\xff"),
        ('{"$blob": "AP8="}', b"\0\xff"),
        ('{"$float": "-inf"}', float("-inf")),
        ('{"$base64": true}', '{"$base64": true}'),
    ],
)
def test_values(document: str, value: Value) -> None:
    for by_line in (False, True):
        [(_, [found])] = read(f'{{"v": {document}}}', by_line)[1]
        assert (type(found), found) == (type(value), value)


def test_keys_that_come_later_are_columns_too() -> None:
    columns, rows, _ = read('{"a": 1}\n{"b": 2, "a": 3}\n{}\n', by_line=True)
    assert (columns, rows) == (["a", "b"], [(1, [1]), (2, [3, 2]), (3, [None, None])])


def test_an_empty_array_has_no_rows() -> None:
    assert read(" [ ] ")[:2] == ([], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n {"a": }]', "x.json:2:8: Expecting value"),
        ('[{"a": 1}\n {"a": 2}]', "x.json:2:2: want , or ] after an object"),
        ('[{"a": 1}] x', "x.json:1:12: want nothing after the array"),
        ('[{"a": 1},', "x.json:1:11: the text ends early"),
        (b'[{"a": 1},\n{"b": "\xff"}]', "x.json:2:8: not utf-8 text; see --encoding"),
        ("[" * 100_000, "x.json:1:2: nested too deeply"),
    ],
)
def test_text_that_is_no_json_is_told_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(SldbError) as caught:
        read(text)
    assert (caught.value.code, caught.value.message) == ("bad_request", message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": }', "x.json:2:7: Expecting value"),
        ("[1, 2]", "x.json:2:1: want an object with a value for each column, got [1, 2]"),
        ('{"a": "\\ud800"}', "x.json:2:1: the value of a has half a character in it (a lone surrogate)"),
        ('{"a": {"$blob": "%"}}', "x.json:2:1: the value of a is not base64"),
        ('{"A": 1}', 'x.json:2:1: the key "A" cannot name a column beside the others'),
    ],
)
def test_a_bad_row_of_lines(line: str, message: str) -> None:
    text = f'{{"a": 1}}\n{line}\n{{"a": 2}}\n'
    with pytest.raises(SldbError) as caught:
        read(text, by_line=True)
    assert caught.value.message == message
    _, rows, bad = read(text, by_line=True, skip=True)
    assert ([values for _, values in rows], bad.messages) == ([[1], [2]], [message])


def test_an_object_that_is_longer_than_what_is_read_at_once() -> None:
    text = json.dumps([{"a": "x" * 3_000_000}, {"a": "y"}])
    assert [len(str(values[0])) for _, values in read(text)[1]] == [3_000_000, 1]
