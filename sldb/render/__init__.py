"""The rendering of results in the formats of `FORMATS`. Data only: the caller prints counts and timings elsewhere.

table, markdown and vertical print every result with columns, separated by an empty line. The formats for programs print
one result, the last with columns: a program then reads one header or one array. On a terminal a table is made to fit
(`sldb.render.box`).

parquet is bytes, and goes to a file only: to the buffer below `out`. It needs a package of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from lambda_handlers.wire import Column, Result, SldbError, Value
from sldb.did_you_mean import with_suggestion
from sldb.render import formats, text
from sldb.render.layout import Layout
from sldb.render.screen import Screen, shown_rows
from sldb.render.table import write_table

__all__ = [
    "FORMATS",
    "FOR_PEOPLE",
    "Layout",
    "Screen",
    "check_format",
    "describe_hidden",
    "result_of",
    "shown_rows",
    "truth",
    "write",
]

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "markdown", "vertical", "insert")
FOR_PEOPLE = ("table", "markdown", "vertical")
_WRITERS = {
    "json": formats.write_json,
    "jsonl": formats.write_jsonl,
    "csv": formats.write_csv,
    "tsv": formats.write_tsv,
    "markdown": formats.write_markdown,
    "vertical": formats.write_vertical,
    "insert": formats.write_insert,
}
_USUAL = Layout()


def check_format(name: str, *, to_file: bool = False) -> str:
    """Return `name` if it is one of FORMATS, or parquet for a file; else raise `bad_request`."""
    if name == "parquet":
        if not to_file:
            raise SldbError("bad_request", "parquet is bytes for a file", "name one: --output FILE.parquet")
        from sldb.render.parquet import load

        load("pyarrow")
    elif name not in FORMATS:
        hint = with_suggestion(name, FORMATS, f"a format is one of {', '.join(FORMATS)}")
        raise SldbError("bad_request", f"no such format: {name}", hint)
    return name


def truth(value: bool | None, format_name: str) -> Value:
    """Return a truth value for a cell: true and false in JSON, 1 and 0 elsewhere, as in SQL."""
    return value if value is None or format_name in ("json", "jsonl") else int(value)


def result_of(names: Sequence[str], rows: Sequence[Sequence[Value]]) -> Result:
    """Return rows from another source than SQL as a result, for `write`."""
    return Result(tuple(Column(name, None) for name in names), [tuple(row) for row in rows], len(rows))


def printed(results: Sequence[Result], format_name: str) -> list[Result]:
    """Return the results for `write` to print."""
    with_columns = [result for result in results if result.columns]
    return with_columns if format_name in FOR_PEOPLE else with_columns[-1:]


def write(
    results: Sequence[Result], format_name: str, out: TextIO, screen: Screen | None = None, layout: Layout = _USUAL
) -> None:
    """Write `results` to `out`; `screen` is given if `out` is a terminal."""
    shown = printed(results, format_name)
    if format_name == "parquet":
        from sldb.render.parquet import write_parquet

        write_parquet(shown[0] if shown else Result(), out.buffer)
        return
    if not shown and format_name == "json":
        out.write("[]\n")
    for position, result in enumerate(shown):
        if position:
            out.write("\n")
        if screen is not None:
            _write_to_screen(result, format_name, out, screen, layout)
        elif format_name == "table":
            write_table(result, out, layout)
        else:
            _WRITERS[format_name](result, out, layout)


def describe_hidden(results: Sequence[Result], format_name: str, screen: Screen | None) -> str:
    """Return a note on the rows or results omitted by `write`; empty if it prints all."""
    with_columns = [result for result in results if result.columns]
    hidden = len(with_columns) - len(printed(results, format_name))
    if hidden:
        return f"{format_name} prints one result: {hidden} before the last not shown (table prints all)"
    if screen is None or format_name != "table":
        return ""
    for result in with_columns:
        if len(shown_rows(result, screen)) < len(result.rows):
            return (
                f"first {screen.max_rows:,} of {len(result.rows):,} rows shown; "
                "for all: --max-rows 0, in the shell .max_rows 0"
            )
    return ""


def _write_to_screen(result: Result, format_name: str, out: TextIO, screen: Screen, layout: Layout) -> None:
    if format_name != "table":
        _WRITERS[format_name](result, _Safe(out), layout)  # type: ignore[arg-type]  # the writers only write
    else:
        from sldb.render.box import write_on_screen  # and its colours: not for pipes and files

        write_on_screen(result, out, screen, layout)


class _Safe:
    """A terminal protected from control characters: csv and tsv escape none."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, data: str) -> int:
        return self._out.write(text.escape_lines(data))
