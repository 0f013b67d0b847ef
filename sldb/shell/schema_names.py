"""The names for completion, fetched in the background and never while a key is handled."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lambda_handlers.wire import SldbError, Value
from sldb.shell.catalog import Names


class LiveNames:
    """The names as of the last fetch. `refresh` and `check` return at once; fetches never overlap."""

    def __init__(self, fetch: Callable[[], Names], version: Callable[[], Value]) -> None:
        self.current = Names()
        self.on_arrival: Callable[[], None] = lambda: None  # called by the fetching thread
        self.on_failure: Callable[[SldbError], None] = lambda _error: None  # called by it, too
        self._fetch = fetch
        self._version = version
        self._state = threading.Lock()
        self._is_fetching = False
        self._again = False  # something may have changed during the fetch that is under way
        self._surely = False  # and it certainly has

    def refresh(self) -> None:
        """Fetch the names again: they have changed."""
        self._start(surely=True)

    def check(self) -> None:
        """Fetch the names again if the schema's version is another: another client has written."""
        self._start(surely=False)

    def _start(self, *, surely: bool) -> None:
        with self._state:
            self._again = True
            self._surely = self._surely or surely
            if self._is_fetching:
                return
            self._is_fetching = True
        threading.Thread(target=self._run, name="sldb-names", daemon=True).start()

    def _run(self) -> None:
        while (surely := self._take()) is not None:
            try:
                if surely or self._version() != self.current.version:
                    self.current = self._fetch()
                    self.on_arrival()
            except SldbError as error:
                self.current = Names()
                self.on_failure(error)

    def _take(self) -> bool | None:
        """Return True to fetch, False to compare versions first, None if there is nothing to do."""
        with self._state:
            again, surely = self._again, self._surely
            self._again = self._surely = False
            self._is_fetching = again
            return surely if again else None


class LiveDatabases:
    """The names of the databases, fetched once they are needed for the first time."""

    def __init__(self, fetch: Callable[[], list[str]]) -> None:
        self._fetch = fetch
        self._found: list[str] = []
        self._is_requested = False

    def names(self) -> list[str]:
        """Return at once the names known by now."""
        if not self._is_requested:
            self._is_requested = True
            threading.Thread(target=self._run, name="sldb-databases", daemon=True).start()
        return self._found

    def _run(self) -> None:
        try:
            self._found = self._fetch()
        except SldbError:
            self._is_requested = False  # the next time, perhaps
