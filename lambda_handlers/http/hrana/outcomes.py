"""The steps of a stream, their outcomes, and the failure of a request of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from lambda_handlers.http.hrana.control import Control
from lambda_handlers.http.hrana.errors import INPUT_ERROR, error_object, error_of
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import Params, Result
from lambda_handlers.wire.conditions import Condition


class RequestFailed(Exception):
    """A request of a pipeline has failed as a whole. `error` is the error object of its result."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


@dataclass(frozen=True, slots=True)
class Step:
    sql: str  # one statement
    params: Params = None
    condition: Condition | None = None
    control: Control | None = None
    refusal: dict[str, Any] | None = None  # the error of a statement that cannot run

    @property
    def is_alone(self) -> bool:
        """True for a step that is no part of a request with others."""
        return self.control is not None or self.refusal is not None


@dataclass(frozen=True, slots=True)
class Ran:
    result: Result
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    error: dict[str, Any]


Outcome: TypeAlias = "Ran | Failed | None"  # None: skipped


@dataclass(frozen=True, slots=True)
class RequestIds:
    """The ids of the requests that one request of a pipeline makes."""

    prefix: str | None  # None: they have none

    def of(self, position: int) -> str | None:
        """Return the id of the request that begins with the step at a position."""
        return f"{self.prefix}.{position}" if self.prefix and position else self.prefix


def oks_of(outcomes: Sequence[Outcome]) -> list[bool | None]:
    """Return True (ok), False (error) or None (skipped) of each."""
    return [None if outcome is None else isinstance(outcome, Ran) for outcome in outcomes]


def outcome_of(result: Result, duration_ms: float) -> Outcome:
    if result.skipped:
        return None
    if result.error:
        return Failed(error_of(result.error))
    return Ran(result, duration_ms)


def other_request() -> RequestFailed:
    return RequestFailed(error_object(INPUT_ERROR, "the Idempotency-Key is that of another request"))
