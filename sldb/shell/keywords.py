"""SQL's own words, as the SQLite that is installed here has them."""

from __future__ import annotations

import functools

import apsw


@functools.cache
def keywords() -> tuple[str, ...]:
    """SELECT, FROM, …"""
    return tuple(sorted(apsw.keywords))


@functools.cache
def functions() -> tuple[str, ...]:
    """abs, count, …; without those that SQLite or an extension keeps for itself."""
    names = apsw.Connection(":memory:").execute("SELECT DISTINCT lower(name) FROM pragma_function_list ORDER BY 1")
    internal = ("fts", "rtree", "sqlite_", "icu_", "load_", "geopoly_")
    return tuple(name for (name,) in names if name.isidentifier() and not name.startswith(internal))
