"""Every format with values that break careless writers: nothing lost, nothing executed, nothing raised."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import sqlite3
import sys
from contextlib import closing
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Column, Result, SldbError, Value
from sldb import render

NASTY = [
    "[red]x[/red] [b]",
    "[/foo] y",
    "\x1b[31mred\x1b]0;title\x07",
    "",
    "NULL",
    "a\nb\r\nc\td\\e",
    'q"u,o|t;e',
    "日本語 \U0001f600 e\u0301",
    "right\u202eto left",
    " leading and trailing ",
    "\x00",
]
VALUES = st.one_of(
    st.none(),
    st.integers(INTEGER_MIN, INTEGER_MAX),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(NASTY),
    st.binary(max_size=20),
)


def result(names: list[str], rows: list[tuple[Value, ...]]) -> Result:
    return Result(tuple(Column(name, None) for name in names), rows, len(rows))


def written(results: list[Result], format_name: str, screen: render.Screen | None = None, **layout: Any) -> str:
    out = io.StringIO(newline="")
    render.write(results, format_name, out, screen, render.Layout(**layout))
    return out.getvalue()


def one(format_name: str, *values: Value) -> str:
    return written([result([f"c{i}" for i in range(len(values))], [values])], format_name)


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_json_gives_every_value_back(rows: list[tuple[Value, ...]]) -> None:
    decoded = json.loads(written([result(["a", "b"], rows)], "json"))
    assert [tuple(map(from_json, (row["a"], row["b"]))) for row in decoded] == rows


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_jsonl_has_one_object_a_line(rows: list[tuple[Value, ...]]) -> None:
    lines = written([result(["a", "b"], rows)], "jsonl").split("\n")[:-1]
    assert [tuple(map(from_json, json.loads(line).values())) for line in lines] == rows


def from_json(value: object) -> Value:
    if isinstance(value, dict):
        return base64.b64decode(value["encoded"]) if "encoded" in value else float(value["$float"])
    return value  # type: ignore[return-value]


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_csv_reads_back_as_the_same_cells(rows: list[tuple[Value, ...]]) -> None:
    text = written([result(["a", "b"], rows)], "csv")
    if sys.version_info < (3, 11):  # whose csv module refuses to read NUL
        assume("\0" not in text)
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == ["a", "b"]
    assert read[1:] == [[plain(value, "") for value in row] for row in rows]


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_tsv_reads_back_as_the_same_cells(rows: list[tuple[Value, ...]]) -> None:
    unescaped = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}
    lines = written([result(["a", "b"], rows)], "tsv").split("\n")[1:-1]
    for line, row in zip(lines, rows, strict=True):
        for cell, value in zip(line.split("\t"), row, strict=True):
            if value is None:
                assert cell == "\\N"
            else:
                assert re.sub(r"\\[tnr\\]", lambda match: unescaped[match[0]], cell) == plain(value, "")


def plain(value: Value, null: str) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "9e999" if value > 0 else "-9e999"
    return null if value is None else str(value)


def test_null_and_the_empty_text_differ() -> None:
    assert one("csv", None, "") == 'c0,c1\n,""\n'
    assert one("tsv", None, "") == "c0\tc1\n\\N\t\n"
    assert one("table", None, "", "x").splitlines()[2] == " NULL │    │ x"
    assert one("markdown", None, "").splitlines()[2] == "| NULL |  |"


def test_integers_are_exact() -> None:
    for number in (INTEGER_MAX, INTEGER_MIN, 2**53 + 1):
        for format_name in set(render.FORMATS) - {"insert"}:  # which reads back exactly, see below
            assert str(number) in one(format_name, number)


def test_infinities_are_valid_json() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    decoded = json.loads(one("json", float("inf"), float("-inf")), parse_constant=refuse)
    assert decoded == [{"c0": {"$float": "inf"}, "c1": {"$float": "-inf"}}]


def test_columns_of_one_name_are_all_there() -> None:
    rows = written([result(["id", "id", "id:1", "id"], [(1, 2, 3, 4)])], "json")
    assert sorted(json.loads(rows)[0].values()) == [1, 2, 3, 4]
    assert json.loads(written([result(["id", "id"], [(1, 2)])], "json")) == [{"id": 1, "id:1": 2}]


def test_columns_that_differ_in_case_alone_are_numbered() -> None:
    assert written([result(["a", "A", "É", "é"], [])], "csv") == "a,A:1,É,é\n"
    assert written([result(["a", "A", "A:1"], [])], "tsv") == "a\tA:2\tA:1\n"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a;b"], '"a;b"\n'),
        (["a|b"], '"a|b"\n'),
        (["a\tb"], '"a\tb"\n'),
        (["a;b", "c"], "a;b,c\n"),
        (["\ufeffa", "b"], '"\ufeffa",b\n'),
        (["a", "\ufeffb"], "a,\ufeffb\n"),
        (["sep=;"], 'sep=,\n"sep=;"\n'),
        (["Sep=x"], "sep=,\nSep=x\n"),
        (["sep=;\nx", "y"], 'sep=,\n"sep=;\nx",y\n'),
        (["sep=", ""], 'sep=,""\n'),
        ([" a", ""], '" a",""\n'),
    ],
)
def test_no_reader_mistakes_the_header_of_csv(names: list[str], expected: str) -> None:
    assert written([result(names, [])], "csv") == expected


def test_no_reader_mistakes_the_first_row_without_a_header() -> None:
    assert written([result(["a"], [("x;y",), ("x;y",)])], "csv", header=False) == '"x;y"\nx;y\n'
    assert written([result(["a"], [(None,)])], "csv", header=False, null=";") == ";\n"
    assert written([result(["a"], [])], "csv", header=False) == ""


def test_names_in_tsv_are_distinct_from_none() -> None:
    assert written([result(["", "b"], [("", None)])], "tsv") == "\\N\tb\n\t\\N\n"
    assert written([result(["\ufeffa"], [])], "tsv") == "\ufeff\ufeffa\n"


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [
        ("table", " a │ b\n───┼───\n"),
        ("json", "[]\n"),
        ("jsonl", ""),
        ("csv", "a,b\n"),
        ("tsv", "a\tb\n"),
        ("markdown", "| a | b |\n| --- | --- |\n"),
        ("vertical", ""),
        ("insert", ""),
    ],
)
def test_no_rows(format_name: str, expected: str) -> None:
    assert written([result(["a", "b"], [])], format_name) == expected


def test_no_columns_is_still_json() -> None:
    assert written([Result(rowcount=3)], "json") == "[]\n"
    assert written([Result(rowcount=3)], "table") == ""


def test_table() -> None:
    rows: list[tuple[Value, ...]] = [(1, "Ada", 3.5), (20, "日本", None)]
    assert written([result(["id", "name", "score"], rows)], "table") == (
        " id │ name │ score\n────┼──────┼───────\n  1 │ Ada  │   3.5\n 20 │ 日本 │  NULL\n"
    )


def test_vertical_keeps_lines_apart() -> None:
    assert one("vertical", "a\nb", 1) == "── row 1 ─────\nc0 │ a\n   │ b\nc1 │ 1\n"


def test_markdown_cells_cannot_leave_their_cell() -> None:
    assert one("markdown", "a|b\n<script>\\|").splitlines()[2] == "| a\\|b<br>&lt;script>\\\\\\| |"


@given(VALUES)
def test_what_people_read_has_no_control_characters(value: Value) -> None:
    screen = render.Screen(80, color=False, max_rows=10)
    for format_name in render.FORMATS:
        shown = written([result(["a", "\x1b[1m"], [(value, value)])], format_name, screen)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown), format_name


@pytest.mark.parametrize("text", NASTY)
def test_a_screen_shows_cells_as_they_are(text: str) -> None:
    shown = written([result(["a"], [(text,)])], "table", render.Screen(200, color=False, max_rows=10))
    visible = {
        "\x1b": "\\x1b",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\x07": "\\x07",
        "\u202e": "\\u202e",
        "\x00": "\\x00",
    }
    assert "".join(visible.get(character, character) for character in text) in shown


def test_a_screen_shows_the_first_rows_and_says_so() -> None:
    many = [result(["n"], [(i,) for i in range(1000)])]
    screen = render.Screen(80, color=False, max_rows=500)
    shown = written(many, "table", screen)
    assert "499" in shown
    assert "500" not in shown
    assert render.describe_hidden(many, "table", screen).startswith("first 500 of 1,000 rows")
    assert render.describe_hidden(many, "table", None) == ""
    assert len(written(many, "table", render.Screen(80, color=False, max_rows=0)).splitlines()) == 1004
    assert len(written(many, "table").splitlines()) == 1002


def test_a_table_that_does_not_fit_turns_vertical() -> None:
    wide = [result([f"column{i}" for i in range(20)], [tuple(range(20))])]
    assert "── row 1" in written(wide, "table", render.Screen(80, color=False, max_rows=10))
    assert "── row 1" not in written(wide, "table")
    narrow = [result(list("abcdefghij"), [tuple(range(10))])]
    assert "── row 1" not in written(narrow, "table", render.Screen(80, color=False, max_rows=10))


def test_no_line_is_wider_than_the_screen() -> None:
    long = [result(["a", "b"], [("x" * 300, "日本語" * 50)])]
    lines = written(long, "table", render.Screen(80, color=False, max_rows=10)).splitlines()
    assert max(map(render.text.width, lines)) <= 80
    assert sum(line.count("x") for line in lines) == 300


def test_several_results() -> None:
    both = [result(["a"], [(1,)]), Result(rowcount=1), result(["b"], [(2,)])]
    assert written(both, "table").count("│") == 0
    assert written(both, "table") == " a\n───\n 1\n\n b\n───\n 2\n"
    assert json.loads(written(both, "json")) == [{"b": 2}]
    assert render.describe_hidden(both, "json", None).startswith("json prints one result")
    assert render.describe_hidden(both, "table", None) == ""


def test_unknown_format() -> None:
    with pytest.raises(SldbError, match="no such format: xml") as caught:
        render.check_format("xml")
    assert caught.value.code == "bad_request"
    assert "jsonl" in caught.value.hint


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_inserts_make_the_same_rows_again(rows: list[tuple[Value, ...]]) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("""CREATE TABLE "it""s" (a, "b c")""")
        connection.executescript(written([result(["a", "b c"], rows)], "insert", table='it"s'))
        found = connection.execute("""SELECT a, "b c" FROM "it""s" ORDER BY rowid""").fetchall()
    assert [tuple(map(repr, row)) for row in found] == [tuple(map(repr, row)) for row in rows]  # -0.0, 1 and 1.0


def test_inserts_name_their_columns() -> None:
    shown = written([result(["id", "id", "n"], [(1, None, "it's")])], "insert")
    assert shown == """INSERT INTO "table"("id","id:1","n") VALUES(1,NULL,'it''s');\n"""


@pytest.mark.parametrize(
    ("format_name", "last_lines"),
    [
        ("table", [" -", " -"]),
        ("csv", ["-", '"-"']),  # the text is told from NULL
        ("tsv", ["-", "-"]),
        ("markdown", ["| - |", "| - |"]),
        ("vertical", ["── row 2 ────", "a │ -"]),
        ("json", ['{"a": "-"}', "]"]),
    ],
)
def test_a_text_for_null(format_name: str, last_lines: list[str]) -> None:
    shown = written([result(["a"], [(None,), ("-",)])], format_name, null="-")
    assert shown.splitlines()[-2:] == last_lines


def test_a_text_for_null_cannot_break_out_of_its_cell() -> None:
    assert written([result(["a"], [(None,)])], "csv", null='a,"b"') == 'a\n"a,""b"""\n'
    assert written([result(["a"], [(None,)])], "tsv", null="a\tb") == "a\na\\tb\n"
    assert written([result(["a"], [(None,)])], "table", null="\x1b[31m").endswith(" \\x1b[31m\n")
    assert "\x1b" not in written([result(["a"], [(None,)])], "table", render.Screen(80, False, 0), null="\x1b[31m")


def test_no_header() -> None:
    rows = [result(["name"], [(1,), (None,)])]
    assert written(rows, "table", header=False) == "    1\n NULL\n"
    assert written(rows, "csv", header=False) == "1\n\n"
    assert written(rows, "tsv", header=False) == "1\n\\N\n"
    assert written(rows, "markdown", header=False) == "| 1 |\n| NULL |\n"
    for format_name in ("json", "jsonl", "vertical", "insert"):  # which name each cell, or none
        assert written(rows, format_name, header=False) == written(rows, format_name)
    assert "name" not in written(rows, "table", render.Screen(80, False, 0), header=False)
