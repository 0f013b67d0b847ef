"""The names that a shell completes, looked up in the background and never while a key is handled."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lambda_handlers.wire import SldbError, Value
from sldb.shell.catalog import Names


class LiveNames:
    """The names as of the last look. `refresh` and `check` return at once; looks never overlap."""

    def __init__(self, fetch: Callable[[], Names], version: Callable[[], Value]) -> None:
        self.current = Names()
        self.on_arrival: Callable[[], None] = lambda: None  # called by the thread that has looked
        self._fetch = fetch
        self._version = version
        self._state = threading.Lock()
        self._looking = False
        self._again = False  # something changed during the look that is under way
        self._surely = False  # and that it did is known

    def refresh(self) -> None:
        """The names have changed."""
        self._start(surely=True)

    def check(self) -> None:
        """Somebody has written: if the schema's version is another, look again."""
        self._start(surely=False)

    def _start(self, *, surely: bool) -> None:
        with self._state:
            self._again = True
            self._surely = self._surely or surely
            if self._looking:
                return
            self._looking = True
        threading.Thread(target=self._look, name="sldb-names", daemon=True).start()

    def _look(self) -> None:
        while (surely := self._take()) is not None:
            try:
                if surely or self._version() != self.current.version:
                    self.current = self._fetch()
                    self.on_arrival()
            except SldbError:
                # A new database, or no connection yet: what the user runs next will say so better than we can.
                self.current = Names()

    def _take(self) -> bool | None:
        """Whether to look for sure; None if there is nothing to do."""
        with self._state:
            again, surely = self._again, self._surely
            self._again = self._surely = False
            self._looking = again
            return surely if again else None


class LiveDatabases:
    """The databases as of the last look, which begins when somebody asks for the first time."""

    def __init__(self, fetch: Callable[[], list[str]]) -> None:
        self._fetch = fetch
        self._found: list[str] = []
        self._asked = False

    def names(self) -> list[str]:
        """At once; those that are known by now."""
        if not self._asked:
            self._asked = True
            threading.Thread(target=self._look, name="sldb-databases", daemon=True).start()
        return self._found

    def _look(self) -> None:
        try:
            self._found = self._fetch()
        except SldbError:
            self._asked = False  # the next time, perhaps
