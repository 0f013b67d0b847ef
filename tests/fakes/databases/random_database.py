"""Random databases: schemas and rows with every kind of value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Statement, Value
from tests.fakes.databases.contents import quoted

_LETTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
NAMES = st.one_of(
    st.sampled_from(
        ["order", "group", "select", "a b", 'q"uote', "it's", "[x]", "naïve", "rowid", "oid", "_rowid_", "%s"]
    ),
    st.text(_LETTERS, min_size=1, max_size=8),
).filter(lambda name: not name.lower().startswith(("sqlite_", "_sldb_")))
TEXTS = st.one_of(
    st.sampled_from(
        ["", "\0", "a\r\nb", "'", "''", "x\0y\r", "--", ";\n.quit\n", "\\0\\\r", "X'00'", "NULL", "5", "007"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=20),
)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.integers(INTEGER_MIN, INTEGER_MAX),
    st.sampled_from([INTEGER_MIN, INTEGER_MAX, 2**53 + 1]),
    st.floats(allow_nan=False),
    TEXTS,
    st.binary(max_size=20),
)
_TYPES = ["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "VARCHAR(10)"]


@dataclass(frozen=True)
class RandomTable:
    name: str
    sql: str
    inserts: list[Statement]


@st.composite
def tables(draw: st.DrawFn, name: str) -> RandomTable:
    columns = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.lower))
    types = [draw(st.sampled_from(_TYPES)) for _ in columns]
    kind = draw(st.sampled_from(["plain", "integer key", "autoincrement", "without rowid", "generated"]))
    declared = [f"{quoted(column)} {type_}" for column, type_ in zip(columns, types, strict=True)]
    end = ""
    if kind in ("integer key", "autoincrement"):
        declared[0] = f"{quoted(columns[0])} INTEGER PRIMARY KEY" + (
            " AUTOINCREMENT" if kind == "autoincrement" else ""
        )
    if kind == "without rowid":
        declared.append(f"PRIMARY KEY ({quoted(columns[-1])}, {quoted(columns[0])})" if len(columns) > 1 else "")
        declared = declared[:-1] if not declared[-1] else declared
        if len(columns) == 1:
            declared[0] += " PRIMARY KEY"
        end = " WITHOUT ROWID"
    if kind == "generated":
        declared.insert(0, f"{quoted(columns[0] + '~')} AS (typeof({quoted(columns[0])}))")
    sql = f"CREATE TABLE {quoted(name)} ({', '.join(declared)}){end}"
    return RandomTable(name, sql, draw(st.lists(_inserts(name, columns, kind), max_size=8)))


@st.composite
def _inserts(draw: st.DrawFn, table: str, columns: list[str], kind: str) -> Statement:
    values: list[Any] = [draw(VALUES) for _ in columns]
    if kind in ("integer key", "autoincrement"):
        values[0] = draw(st.one_of(st.none(), st.integers(INTEGER_MIN, INTEGER_MAX - 100)))
    names = [quoted(column) for column in columns]
    free = [each for each in ("rowid", "oid", "_rowid_") if each not in {column.lower() for column in columns}]
    if kind in ("plain", "generated") and free and draw(st.booleans()):
        names.append(free[0])
        values.append(draw(st.integers(INTEGER_MIN, INTEGER_MAX - 100)))
    holes = ", ".join("?" * len(values))
    return Statement(f"INSERT OR IGNORE INTO {quoted(table)} ({', '.join(names)}) VALUES ({holes})", tuple(values))


@st.composite
def databases(draw: st.DrawFn) -> list[Statement]:
    """Return a strategy for one."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower))
    made = [draw(tables(name)) for name in names]
    statements = [Statement(table.sql) for table in made]
    statements += [insert for table in made for insert in table.inserts]
    if draw(st.booleans()):
        statements.append(Statement(f"PRAGMA user_version = {draw(st.integers(-(2**31), 2**31 - 1))}"))
    return statements
