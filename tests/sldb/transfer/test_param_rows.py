"""Rows of parameters from files: what import reads, the values of our own formats, and the places of invalid ones."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Column, Request, Result, SldbError, Statement, Value
from sldb import render
from sldb.client import Client
from sldb.transfer import param_rows
from tests.sldb.transfer.loading import load, rows, write

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(st.none(), st.integers(INTEGER_MIN, INTEGER_MAX), st.floats(allow_nan=False), TEXTS, st.binary())
COUNTER = itertools.count()


def rows_of(name: str, content: str | bytes) -> list[object]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [row.params for row in param_rows.read(str(path), io.BytesIO())]


def written(format_name: str, rows: list[tuple[Value, ...]]) -> str:
    out = io.StringIO(newline="")
    columns = tuple(Column(name, None) for name in ("a", "b"))
    render.write([Result(columns, rows, len(rows))], format_name, out)
    return out.getvalue()


# What import reads

CELLS = st.one_of(
    st.sampled_from(["", '""', "0", "-5", "1.5", "007", "1.10", "12e45", "+5", "1e3", "9223372036854775808", '"7"']),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='";,\t|\\'), min_size=1),
    st.text(st.sampled_from("ab1 ,;|\té\n")).map(lambda text: f'"{text}"'),
)


@st.composite
def delimited_files(draw: st.DrawFn) -> bytes:
    """A CSV as spreadsheets of all kinds write it."""
    separator, end = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    width = draw(st.integers(2, 4))
    lines = [draw(st.lists(CELLS, min_size=width, max_size=width)) for _ in range(draw(st.integers(0, 5)))]
    named = f"sep={separator}{end}" if draw(st.booleans()) else ""
    header = [f"n{i}" if draw(st.booleans()) else f'"n{i}"' for i in range(width)]
    text = named + "".join(separator.join(cells) + end for cells in [header, *lines])
    encoded = draw(st.sampled_from([text.encode(), codecs.BOM_UTF8 + text.encode(), text.encode("utf-16")]))
    return gzip.compress(encoded) if draw(st.booleans()) else encoded


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(delimited_files())
@example('\ufeffid;name\r\n1;"last, first"\r\n'.encode("utf-16"))
def test_what_import_stores_parameters_store(client: Client, tmp_path: Path, content: bytes) -> None:
    number = next(COUNTER)
    path = tmp_path / f"t{number}.csv"
    path.write_bytes(content)
    load(client, path)
    ((created,),) = rows(client, f"SELECT sql FROM sqlite_schema WHERE name = 't{number}'")
    write(client, str(created).replace(f"t{number}", f"p{number}"))
    bound = param_rows.read(str(path), io.BytesIO())
    statements = (
        f"INSERT INTO p{number} VALUES ({','.join(f':{name}' for name in row.params)})" for row in bound
    )  # fmt: skip
    if bound:
        client.execute(Request(tuple(Statement(sql, row.params) for sql, row in zip(statements, bound, strict=True))))
    assert rows(client, f"SELECT * FROM p{number}") == rows(client, f"SELECT * FROM t{number}")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_standard_input_is_read_like_a_file(packed: bool) -> None:
    content = '[\n  {\n    "id": 1,\n    "name": "Ada"\n  },\n  {"id": 2, "name": null}]'
    want = [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}]
    for text in (content, content.replace("},", "}\n")[1:-1]):  # an array, and objects one after the other
        data = gzip.compress(text.encode()) if packed else text.encode()
        assert [row.params for row in param_rows.read("-", io.BytesIO(data))] == want
    assert [row.params for row in param_rows.read("-", io.BytesIO(b"id;name\r1;Ada\r2;\r"))] == want


def test_endings_do_not_matter_where_the_content_tells() -> None:
    for name in ("rows", "rows.txt", "rows.log", "rows.csv.gz", "rows.TSV"):
        assert rows_of(name, gzip.compress(b"a\tb\n1\tx\n")) == [{"a": 1, "b": "x"}], name


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, None], "b": ["5", "x"]}), path)
    read = param_rows.read(str(path), io.BytesIO())
    assert [row.params for row in read] == [{"a": 1, "b": "5"}, {"a": None, "b": "x"}]


# Values


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
    read = rows_of("x.csv", 'a,b\r\n"1",1\r\n01,1.5')
    assert read == [{"a": "1", "b": 1}, {"a": "01", "b": 1.5}]
    assert {type(value) for row in read for value in row.values()} == {str, int, float}  # type: ignore[attr-defined]


def test_other_json() -> None:
    lines = '{":a": true, "b": {"k": [1, "é"]}}\n\n["x", null, [1], {"$blob": "AP8="}]\n'
    assert rows_of("x.jsonl", lines) == [{"a": 1, "b": '{"k": [1, "é"]}'}, ("x", None, "[1]", b"\x00\xff")]
    assert rows_of("x.json", "") == rows_of("x.json", "[]") == rows_of("x.jsonl", "") == rows_of("x.csv", "a,b\n") == []
    assert rows_of("x.jsonl", '{"a": 9223372036854775808}') == [{"a": "9223372036854775808"}]
    assert rows_of("x.json", json.dumps([[1, "x"], {"a": 2}])) == [(1, "x"), {"a": 2}]


# Errors


def refused() -> Iterator[tuple[str, str, str, str]]:
    yield "x.jsonl", '{"a": 1}\n{"a": \n', ":2:", "Expecting value"
    yield "x.jsonl", '{"a": 1}\n5\n', ":2:1: ", "an object of named parameters"
    yield "x.jsonl", '{"a": {"$base64": true, "encoded": "?"}}', ":1:1: ", "base64"
    yield "x.jsonl", '{"a": 1, ":a": 2}', ":1: ", "two columns name the parameter a"
    yield "x.csv", "a,b\n1,2\n3\n", ":3:2: ", "the header has 2"
    yield "x.csv", 'a,b\n"x\ny",2\n3,4,5\n', ":4:5: ", "the header has 2"
    yield "x.csv", 'a\n"open\n', ":2:1: ", "never closed"
    yield "x.csv", "a,b,a\n1,2,3\n", ":1:3: ", "two columns a"
    yield "x.csv", "a;b;A\n1;2;3\n", ":1:3: ", "two columns A"
    yield "x.csv", ":a,$a\n1,2\n", ": ", "two columns name the parameter a"
    yield "x.csv", "", " ", "is empty"
    yield "x.tsv", "a\tb\n1\n", ":2:", "the header has 2"
    yield (
        "x.sql",
        "CREATE TABLE t (a); INSERT INTO t VALUES (1);",
        ": ",
        "jsonl or parquet, got sql",
    )


@pytest.mark.parametrize(("name", "content", "place", "message"), list(refused()))
def test_invalid_content_is_refused_with_its_place(name: str, content: str, place: str, message: str) -> None:
    with pytest.raises(SldbError) as caught:
        rows_of(name, content)
    assert caught.value.code == "bad_request"
    assert f"{name}{place}" in caught.value.message
    assert message in caught.value.message
    assert caught.value.details["applied"] == "no"
    assert "--" not in caught.value.hint


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for name, content in {"x.xls": b"\xd0\xcf\x11\xe0", "x.csv": b"a\n\xff", "y.csv": b"PK\x03\x04 xl/"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SldbError) as caught:
            param_rows.read(str(tmp_path / name), io.BytesIO())
        assert caught.value.code == "bad_request"
    with pytest.raises(SldbError, match="cannot be read: No such file"):
        param_rows.read(str(tmp_path / "none.csv"), io.BytesIO())


def test_a_file_too_large_for_a_request_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(param_rows.MAX_BYTES + 1)
    with pytest.raises(SldbError) as caught:
        param_rows.read(str(path), io.BytesIO())
    assert caught.value.code == "too_large"
    assert f"sldb import {path}" in caught.value.hint


def test_compressed_rows_and_pipes_are_read_up_to_the_size_of_a_request() -> None:
    content = gzip.compress(b"a\n" + (b"y" * 1000 + b"\n") * 7_000)
    for read in (lambda: rows_of("x.csv.gz", content), lambda: param_rows.read("-", io.BytesIO(content))):
        with pytest.raises(SldbError) as caught:
            read()
        assert caught.value.code == "too_large"


def test_quotes_that_open_and_never_close_take_no_time() -> None:
    with pytest.raises(SldbError, match="quote"):
        rows_of("x.csv", 'a\n"' + 'x""' * 500_000)
