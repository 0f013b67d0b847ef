"""The keywords and functions of SQL, as the installed SQLite has them."""

from __future__ import annotations

import functools

import apsw


@functools.cache
def keywords() -> tuple[str, ...]:
    """Return SELECT, FROM, …"""
    return tuple(sorted(apsw.keywords))


@functools.cache
def functions() -> tuple[str, ...]:
    """Return abs, count, …; without the internal functions of SQLite and its extensions."""
    names = apsw.Connection(":memory:").execute("SELECT DISTINCT lower(name) FROM pragma_function_list ORDER BY 1")
    internal = ("fts", "rtree", "sqlite_", "icu_", "load_", "geopoly_")
    return tuple(name for (name,) in names if name.isidentifier() and not name.startswith(internal))
