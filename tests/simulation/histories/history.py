"""The history: a list of events, readable for people, exactly the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.simulation.world.scheduler import START


@dataclass(frozen=True, slots=True)
class Violation:
    promise: str  # which one was broken: a word that does not change when the history is shrunk
    details: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.details}"


class History:
    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.events: list[tuple[float, str, str]] = []  # time, who, what
        self.violations: list[Violation] = []

    def add(self, who: Any, what: str) -> None:
        self.events.append((self.now(), str(who), what))

    def violate(self, promise: str, details: str) -> None:
        self.violations.append(Violation(promise, details))
        self.add("CHECKER", f"VIOLATION {promise}: {details}")

    def lines(self) -> list[str]:
        return [f"{time - START:12.3f}  {who:<14} {what}" for time, who, what in self.events]

    def text(self) -> str:
        return "\n".join(self.lines()) + "\n"

    def digest(self) -> str:
        return sha256(self.text().encode()).hexdigest()
