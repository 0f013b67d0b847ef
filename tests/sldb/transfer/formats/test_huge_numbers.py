"""Whole numbers of any length, which are text as columns, and numbers inside of JSON texts."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Value
from sldb.transfer.formats import huge_numbers
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.json_rows import JsonRows

HUGE = "-" + "12345" * 1000  # more digits than Python converts to int


def read(text: str, by_line: bool) -> list[list[Value]]:
    return [list(row) for _, row in JsonRows(io.BytesIO(text.encode()), "x", by_line, BadRows(skip=False), "utf-8")]


@pytest.mark.parametrize("by_line", [False, True])
def test_they_are_text(by_line: bool) -> None:
    text = f'{{"a": {HUGE}, "b": [{HUGE}, {{"c": {HUGE}}}, "x"], "c": 5}}\n{{"a": "{HUGE}"}}\n'
    assert read(text, by_line) == [[HUGE, f'[{HUGE}, {{"c": {HUGE}}}, "x"]', 5], [HUGE, None, None]]


@pytest.mark.parametrize("by_line", [False, True])
def test_a_row_that_is_one_is_told(by_line: bool) -> None:
    bad = BadRows(skip=True)
    assert list(JsonRows(io.BytesIO(HUGE.encode()), "x", by_line, bad, "utf-8")) == []
    assert bad.messages == [f"x:1:1: want an object with a value for each column, got {HUGE[:37]}..."]


DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@given(DOCUMENTS)
def test_other_documents_are_those_of_json(document: object) -> None:
    text = json.dumps(document, ensure_ascii=False)
    assert huge_numbers.scan(text) == document
    assert huge_numbers.scan_at(f" {text}x", 1) == (document, len(text) + 1) or isinstance(document, (int, float))
    assert huge_numbers.dumps(document) == text


@given(DOCUMENTS)
def test_the_slower_decoder_differs_only_in_long_numbers(document: object) -> None:
    text = json.dumps([document, int("9" * 4000)], ensure_ascii=False)
    longer = text.replace("9" * 4000, "9" * 5000)
    found = huge_numbers.scan(longer)
    assert huge_numbers.dumps(found) == longer
