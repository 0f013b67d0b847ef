"""The keywords and functions of SQL: those of the installed SQLite, and those that sldb adds."""

from __future__ import annotations

import functools

import apsw

from lambda_handlers.shared.function_names import NAMES


@functools.cache
def keywords() -> tuple[str, ...]:
    """Return SELECT, FROM, …"""
    return tuple(sorted(apsw.keywords))


@functools.cache
def functions() -> tuple[str, ...]:
    """Return abs, count, …; without the internal functions of SQLite and its extensions."""
    names = apsw.Connection(":memory:").execute("SELECT DISTINCT lower(name) FROM pragma_function_list ORDER BY 1")
    internal = ("fts", "rtree", "sqlite_", "icu_", "load_", "geopoly_")
    found = {name for (name,) in names if name.isidentifier() and not name.startswith(internal)}
    return tuple(sorted(found | NAMES))
