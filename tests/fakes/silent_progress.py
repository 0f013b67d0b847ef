"""Progress of a push or pull, without a display."""

from __future__ import annotations


class SilentProgress:
    """Progress without a display."""

    def begin(self, what: str, total_bytes: int) -> None: ...

    def advance(self, size_bytes: int) -> None: ...

    def note(self, text: str) -> None: ...
