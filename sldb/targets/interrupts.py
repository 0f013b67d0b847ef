"""Interrupts: Ctrl-C while the engine runs in this process, raised only at points prepared for it.

Python raises KeyboardInterrupt at any instruction. Inside an infallible callback of SQLite's, such an exception is
printed and lost; between a commit and its bookkeeping it could do more harm. So the signal is only noted, and the
exception is raised when the engine reads the clock or pauses: between statements' steps, while it waits for a lock,
before a commit.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE_SECONDS = 0.1  # a longer sleep is cut in pieces, to notice in time


class Interrupts:
    def __init__(self) -> None:
        self._is_noted = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note Ctrl-C instead of raising it at once; raise it at the end if it was not raised before.

        Does nothing outside of the main thread (no signal reaches another one), or if the signal has another handler.
        """
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._raise_if_noted()

    def _note(self, *_: object) -> None:
        self._is_noted = True

    def _raise_if_noted(self) -> None:
        if self._is_noted and threading.current_thread() is threading.main_thread():
            self._is_noted = False
            raise KeyboardInterrupt

    def now(self) -> float:
        """Return the time in unix seconds. Raises KeyboardInterrupt (once) after Ctrl-C was noted."""
        self._raise_if_noted()
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep. Raises as `now` does, within PAUSE_SECONDS."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._raise_if_noted()
            time.sleep(min(left, PAUSE_SECONDS))
