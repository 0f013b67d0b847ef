"""`sldb serve` in this process: a server on loopback over a directory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sldb.http.access import Access
from sldb.http.application import Application, Service
from sldb.http.server import HttpServer
from sldb.targets.local import LocalTarget


@contextmanager
def served(directory: Path, token: str | None = None, *origins: str) -> Iterator[HttpServer]:
    """Serve a directory."""
    with closing(LocalTarget(directory)) as target, serving(target.http(), token, *origins) as server:
        yield server


@contextmanager
def serving(service: Service, token: str | None = None, *origins: str) -> Iterator[HttpServer]:
    server = HttpServer(Application(service, Access("127.0.0.1", token, frozenset(origins))), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
