"""What may be chosen about a format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    null: str | None = None  # stands for NULL; None: what the format usually has
    header: bool = True  # the line of column names, where the format has one
    table: str = "table"  # what INSERT inserts into

    def null_or(self, usual: str) -> str:
        return usual if self.null is None else self.null
