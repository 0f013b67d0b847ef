"""The entry of a caller, from the options of a command and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_handlers.access.callers import ALL, READ, WRITE, Entry
from lambda_handlers.wire import SldbError

__all__ = ["Entry", "databases_text", "new_entry", "rights", "scope_text"]


def new_entry(
    name: str, databases: Iterable[str] | None, now_ms: int, *, may_write: bool, expires_ms: int | None = None
) -> Entry:
    """Return the entry of a new caller. `databases`: None for all. Raises `bad_request` for an invalid name, or too
    many databases."""
    try:
        return Entry(name, None if databases is None else frozenset(databases), may_write, now_ms, expires_ms)
    except ValueError as error:
        raise SldbError("bad_request", str(error), applied="no") from error


def databases_text(entry: Entry) -> str:
    """Return the names of the databases with spaces between them, or `*`."""
    return ALL if entry.databases is None else " ".join(sorted(entry.databases))


def scope_text(entry: Entry) -> str:
    return WRITE if entry.may_write else READ


def rights(entry: Entry) -> str:
    """Return the rights of a caller in words, after "may"."""
    verb = "read and write" if entry.may_write else "read"
    if entry.databases is None:
        return f"{verb} all databases"
    names = sorted(entry.databases)
    return f"{verb} the {'database' if len(names) == 1 else 'databases'} {', '.join(names) or '(none)'}"
