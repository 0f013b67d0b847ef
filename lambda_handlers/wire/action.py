"""The action: an operation that is not SQL.

{"action": "history", "database": "main", "arguments": {…}}, and the other optional fields of `Action`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass, defaults_of, field
from lambda_handlers.wire.checks import check_known, decode_optional, encode_optional
from lambda_handlers.wire.errors import bad_request
from lambda_handlers.wire.names import DEFAULT_DATABASE


@dataclass(frozen=True, slots=True)
class Action:
    """An operation that is not SQL. The server defines the actions and their arguments (`lambda_handlers.actions`).

    Each is safe to send twice: the second one finds the work of the first.
    """

    name: str
    database: str = DEFAULT_DATABASE
    arguments: Mapping[str, Any] = field(default_factory=dict)
    create: bool = True  # may an action that writes into the database create it
    timeout: float | None = None  # seconds
    stack: str | None = None  # the addressee: a function of another stack refuses

    def encode(self) -> dict[str, Any]:
        """Return the event of this action, with defaults left out."""
        event = {"action": self.name, **encode_optional(self, _DEFAULTS)}
        if "arguments" in event:
            event["arguments"] = dict(self.arguments)
        return event

    @classmethod
    def decode(cls, event: object) -> Action:
        """Return the action in an event. Raises `bad_request` with the field, its value and the allowed ones."""
        if not isinstance(event, Mapping):
            bad_request("event", event, 'an object such as {"action": "history"}')
        check_known(event, _FIELDS)
        name, arguments = event.get("action"), event.get("arguments")
        if not isinstance(name, str) or not name:
            bad_request("action", name, "the name of an action")
        if arguments is not None and not (
            isinstance(arguments, Mapping) and all(isinstance(k, str) for k in arguments)
        ):
            bad_request("arguments", arguments, "an object")
        given = decode_optional(event, [field_name for field_name in _DEFAULTS if field_name != "arguments"])
        return cls(name, arguments={str(key): value for key, value in (arguments or {}).items()}, **given)


_DEFAULTS = defaults_of(Action)
_FIELDS = {"action", *_DEFAULTS}


def is_action(event: object) -> bool:
    """Return True if an event is an action, and not SQL."""
    return isinstance(event, Mapping) and "action" in event
