"""The finding of a check. An impossible check is a warning with the reason, and never an ok."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambda_handlers.wire import SldbError


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    state: str  # ok, warn or fail
    says: str
    next: str = ""  # the next step for the user


def ok(check: str, says: str) -> Finding:
    return Finding(check, "ok", says)


def unchecked(check: str, error: SldbError) -> Finding:
    return Finding(check, "warn", f"could not be checked: {error.message}", error.hint)


def checked(check: str, action: Callable[[], Finding]) -> Finding:
    """Return the finding of `action`; its SldbError is a finding that fails."""
    try:
        return action()
    except SldbError as error:
        return Finding(check, "fail", error.message, error.hint)
