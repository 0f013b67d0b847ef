"""The parameters of statements in the shell: which ones a text names, and their values.

`.param set` keeps values; on a terminal the user is asked for the others, one by one. What was typed is the proposal
for the next time. A key is a name without its first character, or the number of a `?`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lambda_handlers.wire import Params, Value
from sldb.params.arguments import TYPES, parse_value
from sldb.sql_parameters import UNUSED, slots_of
from sldb.sql_text import list_statements

_NAME = re.compile(rf"[:@$?]?(?P<key>\w+)(?::(?P<kind>{'|'.join(TYPES)}))?")

Ask = Callable[[str, str], str]  # (":a", proposal) → the typed text


class NotAnswered(Exception):
    """The user left the questions: nothing is to run."""


@dataclass(slots=True)
class Parameters:
    values: dict[str, Value] = field(default_factory=dict)  # of `.param set`
    typed: dict[str, str] = field(default_factory=dict)  # texts of earlier answers

    def bind(self, sql: str, given: Mapping[str, Value], ask: Ask | None) -> Params:
        """Return the values for the parameters in `sql`; without `ask`, those that are known. Raises NotAnswered, and
        `bad_request` for an invalid answer."""
        slots = [slots_of(statement) for statement in list_statements(sql)]
        keys = dict.fromkeys(key for statement in slots for key in _keys(statement))
        if not keys:
            return None
        known = {**self.values, **given, UNUSED: None}
        values = {key: known[key] if key in known else self._ask(key, ask) for key in keys if key in known or ask}
        if len(slots) == 1 and not all(slots[0]):  # a list, which the engine refuses if it is too short
            return tuple(values[key] for key in _keys(slots[0]) if key in values)
        return values

    def _ask(self, key: str, ask: Ask | None) -> Value:
        assert ask is not None
        try:
            text = ask(spelled(key), self.typed.get(key, ""))
        except (KeyboardInterrupt, EOFError):
            raise NotAnswered from None
        value = parse_value(text, spelled(key))
        self.typed[key] = text
        return value


def _keys(slots: Sequence[str | None]) -> list[str]:
    return [str(position) if name is None else name for position, name in enumerate(slots, start=1)]


def spelled(key: str) -> str:
    """Return the parameter as it is written in SQL."""
    return f"?{key}" if key.isdecimal() else f":{key}"


def parse_name(word: str) -> tuple[str, str | None] | None:
    """Return the key and the type in `:a`, `a`, `?1` or `:a:text`; None if it is no name."""
    match = _NAME.fullmatch(word)
    return match and (match["key"], match["kind"])
