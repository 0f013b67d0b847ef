"""A destruction: an entry in the list of what a request destroys, and its text."""

from __future__ import annotations

from typing import Any

from lambda_handlers.sql.row_changes import MAX_COUNTED

# The kinds with a number of rows, and their verbs.
COUNTED = {
    "delete": "deletes",
    "replace": "replaces",
    "update": "changes",
}


def destruction(does: str, table: str, rows: int | None, had: int | None) -> dict[str, Any]:
    return {"does": does, "table": table, "rows": rows, "of": had}


def copied(destroys: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [dict(destroyed) for destroyed in destroys]


def message_of(destroyed: dict[str, Any]) -> str:
    """Return the text for users: deletes 3 of 1,234 rows of users."""
    does, table, rows, had = (destroyed[name] for name in ("does", "table", "rows", "of"))
    if does == "drop_column":
        return f"drops the column {destroyed['column']} of {table}"
    if does == "drop_table":
        return f"drops {table} ({_rows(rows)})"
    if had is not None and rows > had:  # some of them more than once
        return f"{COUNTED[does]} {_rows(rows)} of {table}, which had {_rows(had)}"
    if had is None:
        return f"{COUNTED[does]} {_rows(rows)} of {table}, which has {_rows(None)}"
    return f"{COUNTED[does]} {rows:,} of {_rows(had)} of {table}"


def _rows(number: int | None) -> str:
    if number is None:
        return f"more than {MAX_COUNTED:,} rows"
    return f"{number:,} row{'' if number == 1 else 's'}"
