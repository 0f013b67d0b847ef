"""The file for what statements took over a directory outside of Lambda: no log is kept there.

The file is `_insights/statements.jsonl`, and its owner alone may read it. At 8 MiB it becomes `statements.1.jsonl`, in
place of the one before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambda_handlers.insights.watch import StatementWatch, Store
from lambda_handlers.log import Log
from lambda_handlers.settings import Settings
from lambda_handlers.store.directory import path_of_url

FOLDER = "_insights"
FILE, FILE_BEFORE = "statements.jsonl", "statements.1.jsonl"
MAX_BYTES = 8 << 20
EVENT = "request"  # of a line, as in the log of a function


def new_watch(settings: Settings, store: Store, log: Log, now: Callable[[], float]) -> StatementWatch:
    """Return the watch of a container: its lines go into the file, or wait for the log. A line that cannot be kept
    fails no request: its statements may have been applied."""
    if settings.on_lambda or not settings.store.startswith("file:"):
        return StatementWatch(now, store)
    kept = Log(stream=KeptFile(path_of_url(settings.store) / FOLDER), now=now)

    def keep(fields: dict[str, Any]) -> None:
        try:
            kept.info(EVENT, **fields)
        except OSError as error:
            log.error("insights_not_kept", reason=error.strerror)

    return StatementWatch(now, store, keep)


class KeptFile:
    """A file of lines with a limited size, shared by processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE

    def write(self, text: str) -> None:
        """Append one line. Raises OSError."""
        self._folder.mkdir(0o700, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, text.encode())
            is_full = os.fstat(file).st_size > MAX_BYTES
        finally:
            os.close(file)
        if is_full:
            self._path.replace(self._folder / FILE_BEFORE)

    def flush(self) -> None:
        """Do nothing: each line is written at once."""


def read_lines(directory: Path) -> list[str]:
    """Return the lines kept of a directory, the oldest first; none if nothing was kept. Raises OSError."""
    files = [directory / FOLDER / name for name in (FILE_BEFORE, FILE)]
    return [line for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]
