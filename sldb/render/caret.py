"""The place of an error in a statement: its line, and a caret below the place."""

from __future__ import annotations

from sldb.render import text


def point(query: str, offset: int, columns: int) -> tuple[str, str]:
    """Return the line of `query` with character `offset`, and a line with `^` under that character.

    No line is wider than `columns`: distant parts are replaced by "…".
    """
    offset = min(max(offset, 0), len(query))
    start = query.rfind("\n", 0, offset) + 1
    end = query.find("\n", offset)
    line = query[start:] if end < 0 else query[start:end]
    before, after = (_one_line(part) for part in (line[: offset - start], line[offset - start :]))
    before = _last_columns(before, max(columns * 2 // 3, 1))
    after = _first_columns(after, max(columns - text.width(before), 1))
    return before + after, " " * text.width(before) + "^"


def line_number(query: str, offset: int) -> int:
    return query.count("\n", 0, offset) + 1


def column_number(query: str, offset: int) -> int:
    """Return the column in characters, from 1."""
    return offset - query.rfind("\n", 0, offset)


def _one_line(part: str) -> str:
    return text.escape(part.replace("\t", "    ").replace("\r", ""))


def _last_columns(part: str, columns: int) -> str:
    if text.width(part) <= columns:
        return part
    part = part[-columns:]  # no character has a negative width, and a line may have millions
    while text.width(part) >= columns:
        part = part[1:]
    return "…" + part


def _first_columns(part: str, columns: int) -> str:
    if text.width(part) <= columns:
        return part
    part = part[:columns]
    while text.width(part) >= columns:
        part = part[:-1]
    return part + "…"
