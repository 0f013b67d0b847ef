"""The columns of an existing table that an import writes to, and the affinities of their types."""

from __future__ import annotations

from dataclasses import dataclass

GENERATED = (2, 3)  # `hidden` of PRAGMA table_xinfo


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str  # as declared
    is_generated: bool


def affinity(declared: str) -> str:
    """Return the affinity of a declared type, by SQLite's rules."""
    upper = declared.upper()
    for words, name in _AFFINITIES:
        if any(word in upper for word in words):
            return name
    return "NUMERIC" if upper else "BLOB"


_AFFINITIES = (
    (("INT",), "INTEGER"),
    (("CHAR", "CLOB", "TEXT"), "TEXT"),
    (("BLOB",), "BLOB"),
    (("REAL", "FLOA", "DOUB"), "REAL"),
)


def is_number(declared: str) -> bool:
    return affinity(declared) in ("INTEGER", "REAL", "NUMERIC")
