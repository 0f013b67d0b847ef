"""`regexp(pattern, text)`, the operator `text REGEXP pattern`: 1 if the pattern matches somewhere in the text."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from lambda_handlers.sql.functions.automaton import Automaton

MAX_PATTERNS = 50  # of one statement that are kept


class Regexp:
    """The function, for one statement."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._automata: dict[str, Automaton] = {}

    def __call__(self, pattern: apsw.SQLiteValue, text: apsw.SQLiteValue) -> int | None:
        if pattern is None or text is None:
            return None
        return int(self._automaton(_text(pattern)).search(_text(text)))

    def _automaton(self, pattern: str) -> Automaton:
        found = self._automata.get(pattern)
        if found is None:
            if len(self._automata) >= MAX_PATTERNS:
                self._automata.clear()
            found = self._automata[pattern] = Automaton(pattern, self._check)
        return found


def _text(value: apsw.SQLiteValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    return apsw.format_sql_value(value)  # a number, as SQLite writes it
