"""What a check found. A check that could not be made is a warning that says so, and never an ok."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambda_handlers.wire import SldbError


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    state: str  # ok, warn or fail
    says: str
    next: str = ""  # what to do about it


def ok(check: str, says: str) -> Finding:
    return Finding(check, "ok", says)


def unchecked(check: str, error: SldbError) -> Finding:
    return Finding(check, "warn", f"could not be checked: {error.message}", error.hint)


def checked(check: str, action: Callable[[], Finding]) -> Finding:
    """What `action` finds; its SldbError is a failure of what is checked."""
    try:
        return action()
    except SldbError as error:
        return Finding(check, "fail", error.message, error.hint)
