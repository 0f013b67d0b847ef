"""The user's saved queries: SQL under a name, with $1, $2, … for arguments. One JSON file, for all targets.

Arguments are bound, never pasted into the SQL: their content cannot change its meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lambda_handlers.wire import SldbError, Value
from sldb import atomic_file
from sldb.params.arguments import guess
from sldb.sql_text import strip_quoted

_PLACE = re.compile(r"\$([1-9][0-9]?)\b")
_NAME = re.compile(r"[^\W\d][\w.-]*")


@dataclass(frozen=True, slots=True)
class SavedQueries:
    """The saved queries in one file, which need not exist. Every operation reads it again: other shells write to it."""

    path: Path

    def all(self) -> dict[str, str]:
        """Return name → SQL. Raises `bad_request` for a file with other content."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        if not isinstance(found, dict) or not all(isinstance(sql, str) for sql in found.values()):
            raise self._unreadable("it holds something else")
        return dict(sorted(found.items()))

    def get(self, name: str) -> str:
        """Return the SQL. Raises `not_found`."""
        found = self.all().get(name)
        if found is None:
            raise SldbError("not_found", f"no named query {name}", r"\n lists them, \ns NAME SQL keeps one")
        return found

    def save(self, name: str, sql: str) -> None:
        """Add or replace a query. Raises `bad_request`."""
        if not _NAME.fullmatch(name):
            raise SldbError("bad_request", f"{name}: got {name!r}, want a name: letters, digits, . _ -")
        self._write({**self.all(), name: sql})

    def forget(self, name: str) -> None:
        """Remove a query. Raises `not_found`."""
        self.get(name)
        self._write({other: sql for other, sql in self.all().items() if other != name})

    def _write(self, queries: dict[str, str]) -> None:
        text = json.dumps(dict(sorted(queries.items())), indent=2, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_file.replace_with(self.path, text.encode(), new_mode=0o600)  # SQL may hold secrets
        except OSError as error:
            raise SldbError("bad_request", f"{self.path} cannot be written: {error.strerror or error}") from None

    def _unreadable(self, why: object) -> SldbError:
        return SldbError("bad_request", f"the named queries cannot be read: {why}", f"repair or remove {self.path}")


def bind_arguments(name: str, sql: str, arguments: Sequence[str]) -> dict[str, Value] | None:
    """Return the parameters of the SQL by their numbers. Raises `bad_request` for too few or too many arguments."""
    places = {int(place) for place in _PLACE.findall(strip_quoted(sql))}
    if len(arguments) != max(places, default=0):
        wanted = f"{max(places, default=0)}, as the SQL says: {sql}"
        hint = "arguments go where it says $1, $2, …; save it again with .save"
        raise SldbError("bad_request", f"{name}: got {len(arguments)} arguments, want {wanted}", hint)
    return {str(place): guess(arguments[place - 1]) for place in sorted(places)} or None
