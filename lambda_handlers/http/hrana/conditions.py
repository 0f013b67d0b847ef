"""The conditions of the steps of a batch, as those of a request (`lambda_handlers.wire.conditions`).

`error` is the negation of `ok` in SQL over HTTP, true for a skipped step; in a request it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambda_handlers.http.hrana.failure import malformed
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.wire.conditions import MAX_CONDITIONS, MAX_DEPTH, Condition

TRUE, FALSE = Condition("and"), Condition("or")  # of nothing
_OF_STEP = ("ok", "error")
_OF_SEVERAL = ("and", "or")
_WANT = "a condition: ok or error with a step, not with a cond, and or or with conds, is_autocommit"


def decode_condition(body: object, where: str, position: int, *, knows_autocommit: bool) -> Condition:
    """Return the condition of the step at a position. Raises ProtocolFailure."""
    return _Decoder(position, knows_autocommit).decode(body, where, MAX_DEPTH)


class _Decoder:
    def __init__(self, position: int, knows_autocommit: bool) -> None:
        self._position = position
        self._knows_autocommit = knows_autocommit
        self._left = MAX_CONDITIONS

    def decode(self, body: object, where: str, depth: int) -> Condition:
        self._left -= 1
        if depth == 0 or self._left < 0:
            malformed(where, f"at most {MAX_CONDITIONS} conditions, nested at most {MAX_DEPTH} deep")
        if not isinstance(body, Mapping):
            malformed(where, _WANT)
        kind = body.get("type")
        if kind in _OF_STEP:
            ok = Condition("ok", entry=self._step(body, where))
            return ok if kind == "ok" else Condition("not", parts=(ok,))
        if kind == "not":
            return Condition("not", parts=(self.decode(body.get("cond"), f"{where}.cond", depth - 1),))
        if kind in _OF_SEVERAL and isinstance(conds := body.get("conds"), list):
            parts = [self.decode(cond, f"{where}.conds[{i}]", depth - 1) for i, cond in enumerate(conds)]
            return Condition(str(kind), parts=tuple(parts))
        if kind != "is_autocommit" or not self._knows_autocommit:
            malformed(where, _WANT)
        return Condition("is_autocommit")

    def _step(self, body: Mapping[str, Any], where: str) -> int:
        step = body.get("step")
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < self._position:
            malformed(f"{where}.step", "the position of an earlier step")
        return step


def moved(condition: Condition, outcomes: Sequence[bool | None], first: int) -> Condition:
    """Return the condition for a request of its own that begins with the step of the batch after `outcomes`, at the
    position `first` there. `outcomes`: of the steps before it, True (ok), False (error) or None (skipped)."""
    if condition.kind == "ok":
        if condition.entry < len(outcomes):
            return TRUE if outcomes[condition.entry] else FALSE
        return replace(condition, entry=condition.entry - len(outcomes) + first)
    return replace(condition, parts=tuple(moved(part, outcomes, first) for part in condition.parts))


def holds(condition: Condition | None, outcomes: Sequence[bool | None], is_autocommit: bool) -> bool:
    """Return True if the step after `outcomes` runs."""
    return condition is None or condition.holds(dict(enumerate(outcomes)), is_autocommit)
