"""Completion by the constraints of a schema: conditions of a JOIN from foreign keys, values from checks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sldb.shell.catalog import ForeignKey, Names
from sldb.shell.sources import quote, sources, tables_of
from sldb.sql_text import unquoted

_AFTER_JOIN = re.compile(r"\bJOIN\s+\w*\Z", re.IGNORECASE)
_AFTER_ON = re.compile(r"\bJOIN\s+(?:\w+|\"[^\"]+\")(?:\s+(?:AS\s+)?\w+)?\s+ON\s+\w*\Z", re.IGNORECASE)
_AFTER_USING = re.compile(r"\bUSING\s*(?P<opened>\((?:\s*\w+\s*,)*\s*)?\w*\Z", re.IGNORECASE)
_NAME = r"(?<!\w)(?:(?P<owner>\w+|\"[^\"]+\")\s*\.\s*)?(?P<column>\w+|\"[^\"]+\")"
_COMPARED = re.compile(
    rf"{_NAME}\s*(?:==?|<>|!=|\bIS(?:\s+NOT)?\s|\bIN\s*\((?:\s*(?:'(?:[^']|'')*'|\w+)\s*,)*)\s*\w*\Z", re.IGNORECASE
)


def joined(before: str, names: Names) -> list[str]:
    """Return the likeliest text after JOIN, ON or USING; nothing at another place."""
    if _AFTER_ON.search(before):
        return _conditions(_in_order(before, names), names.keys)
    if using := _AFTER_USING.search(before):
        return _shared(_in_order(before[: using.start()], names), names, is_opened=bool(using["opened"]))
    if _AFTER_JOIN.search(before):
        return [quote(table) for table in _related(before, names)]
    return []


def values(before: str, after: str, names: Names) -> Sequence[str]:
    """Return the literals of SQL that a check allows for the column that the text compares at its end."""
    compared = _COMPARED.search(before)
    if compared is None or not names.values:
        return ()
    tables = tables_of(f"{before} {after}", names)
    owner = compared["owner"]
    candidates = [tables.get(unquoted(owner).lower(), "")] if owner else dict.fromkeys(tables.values())
    column = unquoted(compared["column"]).lower()
    return next(filter(None, (names.values.get(table, {}).get(column) for table in candidates)), ())


def _in_order(before: str, names: Names) -> list[tuple[str, str]]:
    return list(sources(before, names))


def _conditions(found: Sequence[tuple[str, str]], keys: Sequence[ForeignKey]) -> list[str]:
    """Return the conditions between the last table and those before it."""
    *earlier, (label, table) = found or [("", "")]
    conditions = []
    for other_label, other in reversed(earlier):
        for key in keys:
            if (key.child, key.parent) == (other.lower(), table.lower()):
                conditions.append(_condition(key, other_label, label))
            if (key.child, key.parent) == (table.lower(), other.lower()):
                conditions.append(_condition(key, label, other_label))
    return list(dict.fromkeys(conditions))


def _condition(key: ForeignKey, child: str, parent: str) -> str:
    return " AND ".join(f"{child}.{quote(column)} = {parent}.{quote(to)}" for column, to in key.columns)


def _shared(found: Sequence[tuple[str, str]], names: Names, *, is_opened: bool) -> list[str]:
    """Return the columns that the last table has in common with those before it; first those of a foreign key."""
    *earlier, (_, table) = found or [("", "")]
    others = {other.lower() for _, other in earlier}
    by_key = [
        [column for column, to in key.columns if column.lower() == to.lower()]
        for key in names.keys
        if {key.child, key.parent} <= {table.lower(), *others} and table.lower() in (key.child, key.parent)
    ]
    known = {column.lower() for _, other in earlier for column in names.columns[other]}
    common = [[column] for column in names.columns.get(table, ()) if column.lower() in known]
    if is_opened:
        return [quote(column) for columns in (*by_key, *common) for column in columns]
    return [f"({', '.join(map(quote, columns))})" for columns in (*by_key, *common) if columns]


def _related(before: str, names: Names) -> Iterator[str]:
    """Yield the tables with a foreign key to one that is named, or from it."""
    known = {table.lower(): table for table in names.columns}
    named = {table.lower() for _, table in sources(before, names)}
    for key in names.keys:
        for one, other in ((key.child, key.parent), (key.parent, key.child)):
            if one in named and other in known:
                yield known[other]
