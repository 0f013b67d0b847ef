"""The lock of the stacks: what has changed under it is saved before it is released."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType


class SavingLock:
    """A reentrant lock; `save` is called at the end of the outermost holder's block."""

    def __init__(self, save: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._save = save
        self._depth = 0  # guarded by the lock

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        try:
            if not self._depth:
                self._save()
        finally:
            self._lock.release()

    @contextmanager
    def without_saving(self) -> Iterator[None]:
        """Hold the lock for reading."""
        with self._lock:
            yield
