"""Checks of the fields of a request. Each raises `bad_request` with the field, its value and the accepted values.

`defaults_of` derives the optional fields from the dataclass of a request, which alone states their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from lambda_handlers.shared import times
from lambda_handlers.wire.errors import bad_request
from lambda_handlers.wire.names import DATABASE_NAME

MAX_MESSAGE_CHARACTERS = 500
MAX_COMMAND_CHARACTERS = 200
MAX_TXID_DIGITS = 20  # of 2**64 - 1
_MAX_SECONDS = 1e12  # adding more to a clock's time could overflow


def moment(text: str) -> int | str:
    """Return a txid, or the text of a time. A number with more digits than a txid can have stays text, and is not a
    valid time."""
    return int(text) if text.isdecimal() and len(text) <= MAX_TXID_DIGITS else text


def moment_ms(field_name: str, text: str) -> int:
    """Return the last unix millisecond of a time. Raises `bad_request` for a text that is not a time, or has no
    zone."""
    written = times.read(text)
    if written is None or written.offset_seconds is None:
        bad_request(
            field_name,
            text,
            "a txid or an RFC 3339 time with its zone, such as 2026-11-01T10:00:00Z or 2026-11-01T19:00:00+09:00",
        )
    return written.end_ms


def check_database(name: str, value: object) -> None:
    if not isinstance(value, str) or not DATABASE_NAME.fullmatch(value):
        bad_request(name, value, f"a name that matches {DATABASE_NAME.pattern}")


def _check_txid(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        bad_request(name, value, "a txid (a whole number)")


def _check_at(name: str, value: object) -> None:
    if isinstance(value, str):
        moment_ms(name, value)
    else:
        _check_txid(name, value)


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_SECONDS:
        bad_request(name, value, "seconds, zero or more")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        bad_request(name, value, "true or false")


def _check_on_error(name: str, value: object) -> None:
    if value not in ("stop", "continue"):
        bad_request(name, value, "stop or continue")


def _check_stack(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        bad_request(name, value, "the name of a stack")


def check_request_id(name: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        bad_request(name, value, "1 to 200 printable characters")


def _check_expect(name: str, value: object) -> None:
    if not isinstance(value, Sequence) or not all(one is None or isinstance(one, str) for one in value):
        bad_request(name, value, "a list with the digest of each result, as a reply had it, or null")


def check_attempt(name: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.isprintable():
        bad_request(name, value, "1 to 64 printable characters")


def _check_message(name: str, value: object) -> None:
    check_text(name, value, MAX_MESSAGE_CHARACTERS)


def _check_command(name: str, value: object) -> None:
    check_text(name, value, MAX_COMMAND_CHARACTERS)


def check_text(name: str, value: object, most: int) -> None:
    """Raise `bad_request` for anything but printable text of at most so many characters."""
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        bad_request(name, value, f"1 to {most} printable characters")


_CHECKS: dict[str, Callable[[str, object], None]] = {
    "database": check_database,
    "at": _check_at,
    "max_staleness": _check_seconds,
    "read_only": _check_flag,
    "if_txid": _check_txid,
    "min_txid": _check_txid,
    "request_id": check_request_id,
    "attempt": check_attempt,
    "dry_run": _check_flag,
    "careful": _check_flag,
    "last": _check_flag,
    "create": _check_flag,
    "timeout": _check_seconds,
    "on_error": _check_on_error,
    "stack": _check_stack,
    "expect": _check_expect,
    "message": _check_message,
    "command": _check_command,
}


def encode_optional(value: object, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a value that differ from their defaults."""
    return {name: given for name, default in defaults.items() if (given := getattr(value, name)) != default}


def check_known(event: Mapping[str, Any], known: Set[str]) -> None:
    """Raise `bad_request` if the event has a field of another name."""
    if unknown := sorted(set(event) - known):
        bad_request(str(unknown[0]), event[unknown[0]], f"one of the fields {', '.join(sorted(known))}")


def decode_optional(event: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the given fields among these; null stands for a field that is not given."""
    given = {name: event[name] for name in names if event.get(name) is not None}
    for name, value in given.items():
        _CHECKS[name](name, value)
    return given
