"""The conditions of a request's statements (`if`): they compare the outcomes of earlier entries of `statements`.

    {"ok": n}                 all SQL statements of entry n (0-based) have succeeded
    {"error": n}              one of them has failed
    {"not": c}, {"and": [c, …]}, {"or": [c, …]}
    {"is_autocommit": true}   no transaction is open

An entry that was skipped is neither ok nor an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire.errors import bad_request

MAX_DEPTH = 20
MAX_CONDITIONS = 1000  # within one entry

_WANT = 'one of {"ok": n}, {"error": n}, {"not": c}, {"and": [c, …]}, {"or": [c, …]}, {"is_autocommit": true}'
_OF_ENTRY = ("ok", "error")
_OF_SEVERAL = ("and", "or")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. `entry` is that of ok and error, `parts` are those of not, and, or."""

    kind: str
    entry: int = 0
    parts: tuple[Condition, ...] = ()

    def holds(self, outcomes: Mapping[int, bool | None], is_autocommit: bool) -> bool:
        """`outcomes`: of each earlier entry True (ok), False (error) or None (skipped); one without SQL may lack."""
        if self.kind in _OF_ENTRY:
            return outcomes.get(self.entry, True) is (self.kind == "ok")
        if self.kind == "is_autocommit":
            return is_autocommit
        parts = (part.holds(outcomes, is_autocommit) for part in self.parts)
        if self.kind == "not":
            return not next(parts)
        return all(parts) if self.kind == "and" else any(parts)

    def encode(self) -> dict[str, Any]:
        if self.kind in _OF_ENTRY:
            return {self.kind: self.entry}
        if self.kind == "is_autocommit":
            return {self.kind: True}
        parts = [part.encode() for part in self.parts]
        return {self.kind: parts[0] if self.kind == "not" else parts}


def decode_condition(where: str, body: object, position: int) -> Condition:
    """Return the condition of the entry at a position. Raises `bad_request` with the field `where`."""
    return _Decoder(where, position).decode(body, MAX_DEPTH)


class _Decoder:
    def __init__(self, where: str, position: int) -> None:
        self._where = where
        self._position = position
        self._left = MAX_CONDITIONS

    def decode(self, body: object, depth: int) -> Condition:
        self._left -= 1
        if depth == 0 or self._left < 0:
            bad_request(self._where, "more", f"at most {MAX_CONDITIONS} conditions, nested at most {MAX_DEPTH} deep")
        if not isinstance(body, Mapping) or len(body) != 1:
            bad_request(self._where, body, _WANT)
        [(kind, value)] = body.items()
        if kind in _OF_ENTRY:
            return Condition(kind, entry=self._entry(value))
        if kind == "is_autocommit" and value is True:
            return Condition(kind)
        if kind == "not":
            return Condition(kind, parts=(self.decode(value, depth - 1),))
        if kind not in _OF_SEVERAL or not isinstance(value, Sequence) or isinstance(value, str):
            bad_request(self._where, body, _WANT)
        return Condition(kind, parts=tuple([self.decode(part, depth - 1) for part in value]))

    def _entry(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < self._position:
            bad_request(self._where, value, "the position of an earlier entry of statements")
        return value
