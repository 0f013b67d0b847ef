from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.shell import ddl

TABLE = """create table "my users"(
  id integer primary key, -- the key, of all
  "first, last" text not null check (length("first, last") > 1), /* ( */
  full text generated always as (upper("first, last") || '  (x)') stored,
  half as (id / 2),
  status text check (status in ('new', 'it''s')) check (status <> ''),
  constraint c check (id > 0 and (half < 10)), unique (status, id),
  check (full = 'a' or full = 'b')
) strict"""


def test_the_definitions_of_a_table() -> None:
    found = ddl.definitions(TABLE)
    assert [each.column for each in found] == ["id", "first, last", "full", "half", "status", None, None, None]
    assert [each.generated for each in found if each.generated] == ["upper(\"first, last\") || '  (x)'", "id / 2"]
    assert [check for each in found for check in each.checks] == [
        'length("first, last") > 1',
        "status in ('new', 'it''s')",
        "status <> ''",
        "id > 0 and (half < 10)",
        "full = 'a' or full = 'b'",
    ]


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ("status in ('new', 'it''s')", {"status": ["'new'", "'it''s'"]}),
        ("a = 'x' OR a='y' OR b IN (1,2)", {"a": ["'x'", "'y'"], "b": ["1", "2"]}),
        ("\"Status\" IN ('a')", {"status": ["'a'"]}),
        ("length(a) in (1, 2)", {")": ["1", "2"]}),
        ("a in (select 1)", {}),
        ("a > 1", {}),
        ("in", {}),
        ("", {}),
    ],
)
def test_the_values_that_a_check_names(check: str, found: dict[str, list[str]]) -> None:
    assert ddl.compared(check) == found


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("create unique index i on t(a)", "(a)"),
        ("CREATE INDEX i ON t (lower(a),\n  b DESC) -- why\nWHERE c IS NULL", "(lower(a), b DESC) WHERE c IS NULL"),
        ('create index "(" on t(a)', "(a)"),
    ],
)
def test_what_is_indexed(sql: str, what: str) -> None:
    assert ddl.indexed(sql) == what


@pytest.mark.parametrize(
    "sql", ["create virtual table f using fts5(a, b)", "create view v as select 1", "", "create table"]
)
def test_other_statements_define_no_columns(sql: str) -> None:
    assert ddl.definitions(sql) == []


NAMES = st.text(st.sampled_from("ab c,()'\"`[]\n-/*"), min_size=1, max_size=6)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=4, unique_by=lambda column: column[0].lower()))
def test_any_names_and_literals(columns: list[tuple[str, str]]) -> None:
    def quoted(text: str, mark: str) -> str:
        return mark + text.replace(mark, mark * 2) + mark

    checks = [f"{quoted(name, chr(34))} IN ({quoted(value, chr(39))})" for name, value in columns]
    parts = [f"{quoted(name, chr(34))} TEXT CHECK({check})" for (name, _), check in zip(columns, checks, strict=True)]
    sql = f"CREATE TABLE t({', '.join(parts)})"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(sql)
    found = ddl.definitions(sql)
    assert [each.column for each in found] == [name for name, _ in columns]
    assert [each.checks for each in found] == [(check,) for check in checks]
    for (name, value), check in zip(columns, checks, strict=True):
        assert ddl.compared(check) == {name.lower(): [quoted(value, chr(39))]}
