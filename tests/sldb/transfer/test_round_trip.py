"""What `export` writes, `import` reads back the same, for every format: random schemas, values and names.

Into an equal table every value is the same, as far as its format has types: csv and tsv have none, so that there a
column without a type holds texts afterwards, and a blob is the text X'…'. Into a new table every cell is printed again
as it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Request, Row, Statement, Value
from sldb.client import Client
from sldb.render import literals
from sldb.render.layout import Layout
from sldb.transfer import export
from sldb.transfer.database import selection
from sldb.transfer.database.snapshot import Snapshot
from tests.sldb.conftest import NewClient
from tests.sldb.transfer.loading import load, rows, write

TEXTS = st.one_of(
    st.sampled_from(["", " ", " a ", "a,b", 'q"', '"', "a\nb", "\r\n", "\r", "\t", "a;b", "a|b", "\\N", "\\", "\\t"]),
    st.sampled_from(["5", "007", "1.10", "1e5", "-0", "Inf", "NULL", "X'00'", "\ufeffx", "sep=;", "'", "\0", "\u2028"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
NAMES = st.one_of(
    st.sampled_from(["", " ", " a ", "a;b", "a|b", "a\tb", "sep=;", "SEP=|", 'q"', "a\nb;c", "a\r\nb", "\\N", "%s"]),
    st.sampled_from(["\ufeffx", "É", "é", "a", "A:1", "rowid", "select", "a,b", "'", "{", "[", "--", "INSERT"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
)
INTEGERS = st.integers(INTEGER_MIN, INTEGER_MAX) | st.sampled_from([INTEGER_MIN, INTEGER_MAX, 2**53 + 1, 0])
REALS = st.floats(allow_nan=False) | st.sampled_from([1.0, 1e20, 1e-5, 1e300, float("inf"), float("-inf")])
BLOBS = st.binary(max_size=3)
ANY: st.SearchStrategy[Value] = st.one_of(INTEGERS, REALS, TEXTS, BLOBS)
# Declared type → the values whose text alone makes them again.
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "INTEGER": INTEGERS,
    "REAL": REALS,
    "TEXT": TEXTS,
    "NUMERIC": INTEGERS | st.just(0.5) | st.just(1e300),
    "": TEXTS,
}


@dataclass(frozen=True)
class Table:
    columns: tuple[tuple[str, str], ...]  # name, declared type
    rows: tuple[Row, ...]
    generated: str = ""  # the definition of one more column

    @property
    def create(self) -> str:
        declared = [f"{literals.name(name)} {type_}" for name, type_ in self.columns]
        return f"CREATE TABLE t ({', '.join([*declared, self.generated] if self.generated else declared)})"

    @property
    def insert(self) -> str:
        names = literals.names(tuple(name for name, _ in self.columns))
        return f"INSERT INTO t ({names}) VALUES ({','.join('?' * len(self.columns))})"


def folded(name: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


@st.composite
def tables(draw: st.DrawFn, values: dict[str, st.SearchStrategy[Any]]) -> Table:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=folded))
    types = [draw(st.sampled_from(sorted(values))) for _ in names]
    row = st.tuples(*(st.none() | values[type_] for type_ in types))
    generated = f'"~ " TEXT AS (typeof({literals.name(names[0])}))' if draw(st.booleans()) else ""
    return Table(tuple(zip(names, types, strict=True)), tuple(draw(st.lists(row, max_size=4))), generated)


TYPED = tables(dict.fromkeys(OF_TYPE, ANY))
TEXTUAL = tables(OF_TYPE)


def made(client: Client, table: Table) -> Client:
    write(client, table.create)
    if table.rows:
        client.execute(Request(tuple(Statement(table.insert, row) for row in table.rows)))
    return client


def exported(client: Client, format_name: str, directory: Path, layout: Layout | None = None, **what: str) -> Path:
    source = Snapshot(client)
    path = directory / f"t.{format_name}"
    chosen = (
        selection.query(source, what["query"], "t")
        if "query" in what
        else selection.table(source, "t", is_to_insert=format_name == "insert")
    )
    export.write(source, chosen, format_name, path, io.BytesIO(), layout or Layout(table="t"))
    return path


def content(client: Client) -> list[tuple[tuple[str, Value], ...]]:
    """The rows, with the types of their values."""
    return [
        tuple((type(value).__name__, value) for value in row) for row in rows(client, "SELECT * FROM t ORDER BY rowid")
    ]


Check = Callable[[NewClient, Path, Table], None]


def into_an_equal_table(format_name: str) -> Check:
    def check(new_client: NewClient, directory: Path, table: Table) -> None:
        source, target = made(new_client(), table), made(new_client(), replace(table, rows=()))
        load(target, exported(source, format_name, directory), table="t")
        assert content(target) == content(source)

    return check


def by_statements(new_client: NewClient, directory: Path, table: Table) -> None:
    source, target = made(new_client(), table), made(new_client(), replace(table, rows=()))
    write(target, exported(source, "insert", directory).read_bytes().decode())
    assert content(target) == content(source)


def into_a_new_table(format_name: str, *, header: bool = True) -> Check:
    """What is exported from the new table are the same bytes."""

    def check(new_client: NewClient, directory: Path, table: Table) -> None:
        source, target = made(new_client(), table), new_client()
        path = exported(source, format_name, directory, Layout(header=header))
        before = path.read_bytes()
        if before:
            load(target, path, table="t", header=header)
            after = exported(target, format_name, directory, Layout(header=header)).read_bytes()
            assert after == before or unified(after, format_name) == unified(before, format_name)

    return check


def unified(content: bytes, format_name: str) -> list[list[bytes]]:
    """The cells, but for two differences.

    The text 1.0e+20, which SQLite makes of a number in a column of texts, is that number in a column of numbers; in
    tsv, the empty text in a column of numbers is NULL.
    """
    lines = [line.split(b"\t") for line in content.replace(b".0e", b"e").split(b"\n")]
    return [[b"" if cell == b"\\N" else cell for cell in line] for line in lines] if format_name == "tsv" else lines


def from_a_query(format_name: str) -> Check:
    """Names that a query repeats."""

    def check(new_client: NewClient, directory: Path, table: Table) -> None:
        source, target = made(new_client(), table), new_client()
        if format_name == "json" and not table.rows:
            return  # and no columns
        path = exported(source, format_name, directory, query='SELECT *, 1 AS a, 2 AS A, 3 AS "A:1", * FROM t')
        load(target, path, table="t")
        width = (len(table.columns) + bool(table.generated)) * 2 + 3
        assert [len(row) for row in rows(target, "SELECT * FROM t")] == [width] * len(table.rows)

    return check


CHECKS: dict[str, tuple[Check, st.SearchStrategy[Table]]] = {
    **{name: (into_an_equal_table(name), TYPED) for name in ("json", "jsonl", "sqlite")},
    **{name: (into_an_equal_table(name), TEXTUAL) for name in ("csv", "tsv")},
    "parquet": (into_an_equal_table("parquet"), TEXTUAL),
    "insert": (by_statements, TYPED),
    **{f"{name} into a new table": (into_a_new_table(name), TYPED) for name in ("csv", "tsv", "jsonl", "parquet")},
    **{f"{name} without a header": (into_a_new_table(name, header=False), TYPED) for name in ("csv", "tsv")},
    **{f"{name} of a query": (from_a_query(name), TYPED) for name in ("csv", "tsv", "json", "parquet", "sqlite")},
}


@pytest.mark.parametrize("examples", [8, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", CHECKS)
def test_what_is_exported_is_imported_the_same(new_client: NewClient, tmp_path: Path, name: str, examples: int) -> None:
    check, tables = CHECKS[name]
    settings(max_examples=examples, phases=set(Phase) - {Phase.shrink})(
        given(st.just(new_client), st.just(tmp_path), tables)(check)
    )()
