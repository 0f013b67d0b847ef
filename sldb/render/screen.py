"""The terminal for a table."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_handlers.wire import Result, Row

PROMPT_LINES = 2  # below a result


@dataclass(frozen=True, slots=True)
class Screen:
    columns: int
    color: bool
    max_rows: int  # of a table; 0: all
    turns: bool = True  # a table too wide is printed vertically; else in full, beyond the edge
    lines: int = 24
    max_width: int | None = None  # of a cell of a table, in columns; 0: no limit; None: as there is room
    folds: bool = False  # no cell is shortened: for the tables of commands

    @property
    def free_lines(self) -> int:
        """The lines for a result with the prompt below it."""
        return max(self.lines - PROMPT_LINES, 0)


def shown_rows(result: Result, screen: Screen) -> list[Row]:
    return result.rows[: screen.max_rows] if screen.max_rows else result.rows
