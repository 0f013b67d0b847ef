"""The transport of a push or pull: the bytes to the store and back. `direct` and `presigned` implement it.

A transport belongs to one database. Several threads may use it at once.
"""

from __future__ import annotations

from typing import Protocol


class FileVanished(Exception):
    """A file to be read does not exist any more: retention, or a newer and shorter log, removed it."""


class Transport(Protocol):
    """The verbs of a transport. Each raises SldbError after enough tries."""

    def put(self, upload: str, part: str, body: bytes) -> None:
        """Send a part of an upload; sending it twice does no harm."""

    def read(self, file: str, start: int, length: int) -> bytes:
        """Return a range of a file of the log, by its name in the reply to `pull`. Raises FileVanished."""

    def clear(self, upload: str) -> None:
        """Remove the parts of an upload if allowed; otherwise maintenance does."""
