"""The layout of a format: its options."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    null: str | None = None  # the text for NULL; None: the usual one of the format
    header: bool = True  # the line of column names, where the format has one
    table: str = "table"  # of the INSERT statements

    def null_or(self, usual: str) -> str:
        return usual if self.null is None else self.null
