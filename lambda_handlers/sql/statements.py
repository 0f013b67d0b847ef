"""The steps of a request: its statements in their order, each with its params, its place and its condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql import script
from lambda_handlers.wire import Bound, Many, Result, SldbError, Statement

if TYPE_CHECKING:
    from lambda_handlers.wire.conditions import Condition


@dataclass(frozen=True, slots=True)
class Step:
    piece: script.Piece
    params: Bound
    part: int  # position in the request's `statements`, its entry
    condition: Condition | None = None  # of the entry
    shows_lastrowid: bool = True


def steps_of(
    statements: Sequence[Statement], check_time: Callable[[], None], *, shows_lastrowid: bool = True
) -> Iterator[Step]:
    """Split the statements of a request. Raises `bad_request`, `too_large`, and the errors of `check_time`."""
    split = [list(script.split(statement.query, check_time)) for statement in statements]
    for part, (statement, pieces) in enumerate(zip(statements, split, strict=True)):
        if len(pieces) > 1 and isinstance(statement.params, (tuple, Many)):
            raise SldbError(
                "bad_request",
                "params: got a list for several statements, want an object of names, or one statement",
                "use named parameters (:name), or send `statements` with params of their own",
            )
        check_time()
        for piece in pieces:
            yield Step(piece, statement.params, part, statement.condition, shows_lastrowid)


class Entries:
    """The outcomes of the entries of a request, for its conditions: True (ok), False (error), None (skipped)."""

    def __init__(self) -> None:
        self._outcomes: dict[int, bool | None] = {}

    def runs(self, step: Step, is_autocommit: bool) -> bool:
        """Return False for a step to skip: its condition does not hold, or a statement before it in its entry has
        failed. The condition is evaluated at the first step of an entry."""
        if step.part not in self._outcomes:
            holds = step.condition is None or step.condition.holds(self._outcomes, is_autocommit)
            self._outcomes[step.part] = True if holds else None
        return bool(self._outcomes[step.part])

    def note(self, step: Step, result: Result) -> None:
        if result.error:
            self._outcomes[step.part] = False
