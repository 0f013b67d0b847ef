"""The port of an emulator with a directory: it is used again, so that the exports of open shells stay right."""

from __future__ import annotations

from pathlib import Path

_NAME = "port"


def read(directory: Path) -> int | None:
    """Return the port of the last run; None if there was none."""
    try:
        return int((directory / _NAME).read_text("ascii"))
    except (OSError, ValueError):
        return None


def write(directory: Path, port: int) -> None:
    (directory / _NAME).write_text(f"{port}\n", "ascii")
