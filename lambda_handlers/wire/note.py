"""The note of a transaction: what it was for, which command made it, and who sent it. It never holds values or SQL."""

from __future__ import annotations

from lambda_handlers.shared.dataclasses import dataclass

MAX_CALLER_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Note:
    message: str | None = None  # by its user
    command: str | None = None  # such as "import people.csv"
    caller: str | None = None  # who sent it, where that is known

    @property
    def is_empty(self) -> bool:
        return not (self.message or self.command or self.caller)
