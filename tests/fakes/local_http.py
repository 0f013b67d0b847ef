"""`sldb serve` in this process: a server on loopback over a directory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sldb.http.access import Access
from sldb.http.application import Application
from sldb.http.server import HttpServer
from sldb.targets.local import LocalTarget


@contextmanager
def served(directory: Path, token: str | None = None, *origins: str) -> Iterator[HttpServer]:
    with closing(LocalTarget(directory)) as target:
        application = Application(target.http(), Access("127.0.0.1", token, frozenset(origins)))
        server = HttpServer(application, "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()
