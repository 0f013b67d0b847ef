"""Replies as they travel: each row once, at the top or in its entry of `results`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Column, Reply, Result, StoredRows

VALUES = st.one_of(
    st.none(),
    st.integers(INTEGER_MIN, INTEGER_MAX),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.binary(max_size=20),
)
COLUMNS = (Column("a", "INTEGER"), Column("b", None))
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=3)
RESULTS = st.one_of(
    st.builds(lambda rows: Result(COLUMNS, rows, len(rows)), ROWS),
    st.builds(lambda count: Result(COLUMNS, [], count, stored=StoredRows("https://x", count)), st.integers(0, 9)),
    st.builds(lambda count: Result(rowcount=count, lastrowid=count), st.integers(0, 9)),
)
REPLIES = st.builds(lambda results: Reply(tuple(results), 9, "main", {"cold": True}), st.lists(RESULTS, max_size=4))


def older(reply: Reply) -> dict[str, Any]:
    """Return the body of a reply as earlier versions made it."""
    results = [{**result.encode_rows(), **result.encode()} for result in reply.results]
    return {**reply.encode(), "results": results}


@given(REPLIES)
def test_a_reply_survives_the_round_trip(reply):
    assert Reply.decode(json.loads(json.dumps(reply.encode()))) == reply


@given(REPLIES)
def test_a_reply_of_an_earlier_version_is_read(reply):
    """The log of requests has them, and functions that have not been deployed again send them."""
    body = older(reply)
    assert not any("rows_at_top" in result for result in body["results"])
    assert Reply.decode(json.loads(json.dumps(body))) == reply


@given(REPLIES)
def test_a_row_travels_once(reply):
    body = reply.encode()
    at_top = [result for result in body["results"] if result.get("rows_at_top")]
    assert len(at_top) == any(result.columns for result in reply.results)
    assert not any({"columns", "rows", "rows_url", "rows_count"} & set(result) for result in at_top)
    assert ("rows" in body) != ("rows_url" in body)


def test_the_top_has_the_last_statement_that_returns_rows():
    first, second = Result((Column("a", None),), [(1,)], 1), Result((Column("b", None),), [(2,)], 1)
    body = Reply((first, second, Result(rowcount=5)), 1, "main").encode()
    assert body["columns"] == [{"name": "b", "type": None}]
    assert body["rows"] == [[2]]
    assert body["results"] == [
        {"columns": [{"name": "a", "type": None}], "rows": [[1]], "rowcount": 1, "lastrowid": None},
        {"rows_at_top": True, "rowcount": 1, "lastrowid": None},
        {"columns": [], "rows": [], "rowcount": 5, "lastrowid": None},
    ]


@pytest.mark.parametrize("results", [(), (Result(rowcount=1),)])
def test_without_rows_the_top_is_empty(results):
    body = Reply(results, 1, "main").encode()
    assert (body["columns"], body["rows"]) == ([], [])
    assert not any("rows_at_top" in result for result in body["results"])


def test_rows_stored_elsewhere_are_named_once():
    body = Reply((Result(COLUMNS, [], 7, stored=StoredRows("https://x", 7)),), 1, "main").encode()
    assert (body["rows_url"], body["rows_count"]) == ("https://x", 7)
    assert body["results"] == [{"rows_at_top": True, "rowcount": 7, "lastrowid": None}]
