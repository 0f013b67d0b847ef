"""How the bytes of a push or pull get to the store and back; `sldb.targets` has what does it.

A carrier belongs to one database. Several threads may ask it at once.
"""

from __future__ import annotations

from typing import Protocol


class Vanished(Exception):
    """What should be read is not there any more: retention, or a newer and shorter log, took it."""


class Carrier(Protocol):
    """Every verb raises SldbError when it has tried long enough."""

    def put(self, upload: str, part: str, body: bytes) -> None:
        """A part of an upload; again what is there already does no harm."""

    def read(self, file: str, start: int, length: int) -> bytes:
        """A range of a file of the log, named as the action `pull` names it. Raises Vanished."""

    def clear(self, upload: str) -> None:
        """Remove the parts of an upload, where that is allowed; otherwise maintenance does."""


class Progress(Protocol):
    """What whoever waits is told."""

    def begin(self, what: str, total_bytes: int) -> None:
        """A step of the work, of so many bytes."""

    def advance(self, size_bytes: int) -> None:
        """So much more of it is done."""

    def note(self, text: str) -> None:
        """Something worth a line."""
