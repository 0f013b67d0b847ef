"""The names that a shell completes, looked up in the background and never while a key is handled."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lambda_handlers.wire import SldbError
from sldb.shell.catalog import Names


class LiveNames:
    """The names as of the last look. `refresh` returns at once; looks never overlap."""

    def __init__(self, fetch: Callable[[], Names]) -> None:
        self.current = Names()
        self._fetch = fetch
        self._state = threading.Lock()
        self._looking = False
        self._again = False  # something changed during the look that is under way

    def refresh(self) -> None:
        with self._state:
            self._again = True
            if self._looking:
                return
            self._looking = True
        threading.Thread(target=self._look, name="sldb-names", daemon=True).start()

    def _look(self) -> None:
        while self._take():
            try:
                self.current = self._fetch()
            except SldbError:
                # A new database, or no connection yet: what the user runs next will say so better than we can.
                self.current = Names()

    def _take(self) -> bool:
        with self._state:
            again, self._again = self._again, False
            self._looking = again
            return again
