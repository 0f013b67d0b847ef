"""The checks of an action's arguments. Each error names the argument, its value and the accepted values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lambda_handlers.caller import WHOLE_NAME, Caller
from lambda_handlers.wire import DATABASE_NAME, Action, bad_request, moment_ms
from lambda_handlers.wire.checks import MAX_COMMAND_CHARACTERS, MAX_MESSAGE_CHARACTERS, check_text
from lambda_handlers.wire.note import Note


def known(action: Action, *names: str) -> Mapping[str, Any]:
    """Return the arguments of the action, without nulls. Raises `bad_request` for an unknown argument."""
    unknown = sorted(set(action.arguments) - set(names))
    if unknown:
        wanted = f"one of the arguments {', '.join(names)}" if names else "no argument"
        bad_request(f"arguments.{unknown[0]}", action.arguments[unknown[0]], wanted)
    return {name: value for name, value in action.arguments.items() if value is not None}


def whole_number(given: Mapping[str, Any], name: str, default: int | None = None, *, least: int, most: int) -> Any:
    value = given.get(name, default)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most):
        bad_request(f"arguments.{name}", value, f"a whole number from {least} to {most}")
    return value


def txid(given: Mapping[str, Any], name: str) -> int | None:
    value: int | None = whole_number(given, name, least=0, most=(1 << 64) - 1)
    return value


def moment(given: Mapping[str, Any], name: str) -> int | str | None:
    """Return a txid, or the text of a time with its zone."""
    value = given.get(name)
    if isinstance(value, str):
        moment_ms(f"arguments.{name}", value)
        return value
    return txid(given, name)


def flag(given: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        bad_request(f"arguments.{name}", value, "true or false")
    return value


def database_name(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not DATABASE_NAME.fullmatch(value):
        bad_request(f"arguments.{name}", value, f"a name that matches {DATABASE_NAME.pattern}")
    return value


def names(given: Mapping[str, Any], name: str, most: int) -> list[str] | None:
    """Return the names of databases, each once, in order; None without the argument."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) for one in value):
        bad_request(f"arguments.{name}", value, f"a list of at most {most} names")
    return sorted(set(value))


def sender(given: Mapping[str, Any], caller: Caller) -> Caller:
    """Return the caller that sent the request in question: the one of this action unless `caller` names another. Raises
    `bad_request`, and `forbidden` for the request of another caller."""
    name = given.get("caller", caller.name)
    if name == caller.name:
        return caller
    caller.require_operator("a request of another caller")
    if not isinstance(name, str) or not re.fullmatch(WHOLE_NAME, name):
        bad_request("arguments.caller", name, f"a name that matches {WHOLE_NAME}")
    return Caller(name)


def note(given: Mapping[str, Any], caller: str) -> Note | None:
    """Return the note of the transaction, from `message` and `command`; None if it would be empty."""
    for name, most in (("message", MAX_MESSAGE_CHARACTERS), ("command", MAX_COMMAND_CHARACTERS)):
        if name in given:
            check_text(f"arguments.{name}", given[name], most)
    found = Note(given.get("message"), given.get("command"), caller or None)
    return None if found.is_empty else found


def required(given: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name not in given:
            bad_request(f"arguments.{name}", None, "a value")
