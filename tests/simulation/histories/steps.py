"""Plans with undo, redo, and notes of transactions. Pure, like `plan`.

They are in histories of their own, whose seeds begin with `u`: the others stay what they are.
"""

from __future__ import annotations

from random import Random
from typing import Any

SEEDS = "u"  # their first letter
FIRST = 700  # numbers of operations
UNNOTED = ("vacuum",)  # it commits by itself


def message_of(number: int) -> str:
    """Return the message of an operation: of another length each, with characters of several bytes."""
    return f"message of {number} " + "é" * (number % 7) * 30


def move(chance: Random, number: int, action: str) -> dict[str, Any]:
    """Return the fields of an undo or redo of what the client has seen."""
    fields = {"steps": chance.choice((1, 1, 1, 2, 3)), "message": message_of(number)}
    return {"kind": "action", "action": action, "fields": fields, "if_seen": True}
