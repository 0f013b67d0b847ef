"""The outcome of a write in an error's message for people.

Programs read the field `details["applied"]`; its words are defined here only. `sldb.cli.errors` adds the subject of the
error (file, line, statement) and its code.
"""

from __future__ import annotations

from lambda_handlers.wire import SldbError

NOT_CHANGED = "nothing was changed"  # for a command that ends without any effect
UNKNOWN = "whether it was applied is unknown"
_OUTCOMES = {
    "no": "nothing was applied",
    "unknown": UNKNOWN,
    "yes": "it was applied",
}


def message(error: SldbError) -> str:
    """Return the message of an error with the outcome of the write."""
    outcome = _OUTCOMES.get(str(error.details.get("applied")))
    return f"{error.message}; {outcome}" if outcome else error.message
