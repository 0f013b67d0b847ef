"""What an error says to people: what happened and, where that is known to matter, what became of the write.

The fact is `details["applied"]`, which programs read; these are its only words. What the error is about (file, line,
statement) and its code stand around it, see `sldb.cli.errors`.
"""

from __future__ import annotations

from lambda_handlers.wire import SldbError

NOT_CHANGED = "nothing was changed"  # where a command ends without having done anything
UNKNOWN = "whether it was applied is unknown"
_OUTCOMES = {
    "no": "nothing was applied",
    "unknown": UNKNOWN,
    "yes": "it was applied",
}


def message(error: SldbError) -> str:
    """Return the message with its outcome."""
    outcome = _OUTCOMES.get(str(error.details.get("applied")))
    return f"{error.message}; {outcome}" if outcome else error.message
