"""Calls that run at their start, for simulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ImmediateCall:
    """A call that runs at its start: for simulations, without concurrency."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._value: Any = None
        self.error: BaseException | None = None
        try:
            self._value = function()
        except Exception as error:  # noqa: BLE001 - raised by result(), as the call in a thread does
            self.error = error

    def wait(self, seconds: float) -> bool:
        return True

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self._value
