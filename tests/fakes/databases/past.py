"""States of a database, as they are compared: its rows and schema, and its pages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lambda_handlers.service import Service
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action
from tests.fakes.databases.engine import Engine, dump


def act(service: Service, name: str, database: str = "main", /, **arguments: Any) -> dict[str, Any]:
    return service.act(Action(name, database, arguments))


def state(store: ObjectStore, database: str = "main", at: int | None = None) -> list[tuple[object, ...]]:
    """Return the schema and rows of a newly opened database, after an integrity check."""
    engine = Engine(store, Path(tempfile.gettempdir()), database=database)
    try:
        engine.replica.refresh() if at is None else engine.replica.open_at(at)
        return [("sound", engine.is_sound()), *dump(engine.rows)] if engine.replica.page_count else []
    finally:
        engine.close()


def image(store: ObjectStore, database: str = "main", at: int | None = None) -> bytes:
    """Return the pages, without page 1's counters, changed by every transaction."""
    engine = Engine(store, Path(tempfile.gettempdir()), database=database)
    try:
        engine.replica.refresh() if at is None else engine.replica.open_at(at)
        pages = engine.image()
        return pages[:24] + pages[28:40] + pages[44:92] + pages[96:]
    finally:
        engine.close()
