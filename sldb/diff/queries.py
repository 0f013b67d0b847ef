"""The SQL of a comparison: the numbers of different rows between two states of a table, and those rows.

The later state is `main`, the earlier one is attached as `before`; a table missing in a state is None.
"""

from __future__ import annotations

from lambda_handlers.wire import SldbError
from sldb.diff.schema import Table
from sldb.render.literals import literal
from sldb.render.literals import name as quote


def count_rows(before: Table | None, after: Table | None) -> str:
    """Return a query of one row: name, added, removed, changed, rows before, rows after."""
    there = after or before
    assert there is not None
    label = literal(there.name)
    old, new = f"before.{quote(there.name)}", f"main.{quote(there.name)}"
    if before is None or after is None:
        count = f"(SELECT count(*) FROM {new if after else old} NOT INDEXED)"
        added, removed = (count, "0") if after else ("0", count)
        return f"SELECT {label}, {added}, {removed}, 0, {removed}, {added}"
    # NOT INDEXED: SQLite would count by an index, with a collation that may exist only in the program that made it.
    totals = f"(SELECT count(*) FROM {old} NOT INDEXED), (SELECT count(*) FROM {new} NOT INDEXED)"
    match = _same_row(before, after)
    if match is None:  # rows are compared by their content
        columns = ", ".join(map(quote, _common(before, after)))
        one, other = f"SELECT {columns} FROM {new}", f"SELECT {columns} FROM {old}"
        added, removed = (
            f"(SELECT count(*) FROM ({one} EXCEPT {other}))",
            f"(SELECT count(*) FROM ({other} EXCEPT {one}))",
        )
        return f"SELECT {label}, {added}, {removed}, 0, {totals}"
    added = f"(SELECT count(*) FROM {new} AS b WHERE NOT EXISTS (SELECT 1 FROM {old} AS a WHERE {match}))"
    removed = f"(SELECT count(*) FROM {old} AS a WHERE NOT EXISTS (SELECT 1 FROM {new} AS b WHERE {match}))"
    changed = f"(SELECT count(*) FROM {new} AS b JOIN {old} AS a ON {match} WHERE {_differs(before, after)})"
    return f"SELECT {label}, {added}, {removed}, {changed}, {totals}"


def select_rows(before: Table | None, after: Table | None, limit: int) -> str:
    """Return a query of rows: table, change, the columns of the key, then all columns before and after.

    The columns of a missing side are NULL. Raises `bad_request` for a table without a key.
    """
    there = after or before
    assert there is not None
    old, new = f"before.{quote(there.name)}", f"main.{quote(there.name)}"
    match = before and after and _same_row(before, after)
    parts = []
    if after and (match or not before):
        absent = f" WHERE NOT EXISTS (SELECT 1 FROM {old} AS a WHERE {match})" if before else ""
        parts.append(_select(there.name, "added", before, after, f"{new} AS b{absent}"))
    if before and (match or not after):
        absent = f" WHERE NOT EXISTS (SELECT 1 FROM {new} AS b WHERE {match})" if after else ""
        parts.append(_select(there.name, "removed", before, after, f"{old} AS a{absent}"))
    if before and after and match:
        joined = f"{new} AS b JOIN {old} AS a ON {match} WHERE {_differs(before, after)}"
        parts.append(_select(there.name, "changed", before, after, joined))
    if not parts:
        raise SldbError("bad_request", f"the rows of {there.name} cannot be identified: no column names its rowid")
    return " UNION ALL ".join(parts) + f" LIMIT {limit}"


def _select(name: str, change: str, before: Table | None, after: Table | None, source: str) -> str:
    row = "a" if change == "removed" else "b"
    key = [f"{row}.{quote(column)} AS {quote('key.' + column)}" for column in (after or before or _NOTHING).key]
    columns = [
        (side, table, column) for side, table in (("a", before), ("b", after)) if table for column in table.columns
    ]
    values = []
    for side, _, column in columns:
        is_there = change == "changed" or side == row
        label = ("before." if side == "a" else "after.") + column
        values.append(f"{f'{side}.{quote(column)}' if is_there else 'NULL'} AS {quote(label)}")
    return f"SELECT {literal(name)}, {literal(change)}, {', '.join([*key, *values])} FROM {source}"


_NOTHING = Table("", (), ())


def _same_row(before: Table, after: Table) -> str | None:
    """Return the condition for two rows to be the same row; None without a common key."""
    if not before.key or before.key != after.key:
        return None
    return " AND ".join(f"a.{quote(column)} = b.{quote(column)}" for column in before.key)


def _differs(before: Table, after: Table) -> str:
    columns = [quote(column) for column in _common(before, after)]
    tests = [f"a.{c} IS NOT b.{c} COLLATE BINARY OR typeof(a.{c}) <> typeof(b.{c})" for c in columns]
    while len(tests) > 1:  # a balanced tree of ORs: SQLite limits the depth of an expression
        pairs = [tests[at : at + 2] for at in range(0, len(tests), 2)]
        tests = [f"({' OR '.join(pair)})" for pair in pairs]
    return tests[0] if tests else "0"


def _common(before: Table, after: Table) -> list[str]:
    known = {column.lower() for column in before.columns}
    return [column for column in after.columns if column.lower() in known]
