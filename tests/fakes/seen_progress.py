"""Progress that is kept for the test."""

from __future__ import annotations

from collections import Counter


class SeenProgress:
    is_shown = True

    def __init__(self) -> None:
        self.begun: list[tuple[str, dict[str, int | None]]] = []
        self.amounts: Counter[str] = Counter()  # of all steps together
        self.notes: list[str] = []

    def begin(self, what: str, **totals: int | None) -> None:
        self.begun.append((what, totals))

    def advance(self, **amounts: int) -> None:
        self.amounts.update(amounts)

    def note(self, text: str) -> None:
        self.notes.append(text)
