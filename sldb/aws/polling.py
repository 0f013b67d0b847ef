"""Polling: a call repeated after pauses until its result or its error is final."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Sleep = Callable[[float], None]


class Backoff(Iterator[float]):
    """Pauses in seconds: each is longer than the one before by a factor, up to a maximum."""

    def __init__(self, first_seconds: float, max_seconds: float, factor: float = 1.5) -> None:
        self._first_seconds = first_seconds
        self._max_seconds = max_seconds
        self._factor = factor
        self._next_seconds = first_seconds

    def __next__(self) -> float:
        pause = self._next_seconds
        self._next_seconds = min(pause * self._factor, self._max_seconds)
        return pause

    def reset(self) -> None:
        """Begin with the first pause again."""
        self._next_seconds = self._first_seconds


def retry(
    call: Callable[[], T],
    is_temporary: Callable[[Exception], bool],
    pauses: Iterable[float],
    sleep: Sleep = time.sleep,
) -> T:
    """Return the result of a call, repeated after each of the pauses while its error is temporary. Raises the error
    of the last call."""
    for pause in pauses:
        try:
            return call()
        except Exception as error:
            if not is_temporary(error):
                raise
        sleep(pause)
    return call()


def poll(look: Callable[[], T | None], pauses: Iterable[float], sleep: Sleep = time.sleep) -> T:
    """Return the first result of `look` that is not None. `pauses` is infinite; the next one is taken after the call,
    which may begin them again."""
    coming = iter(pauses)
    while (found := look()) is None:
        sleep(next(coming))
    return found
