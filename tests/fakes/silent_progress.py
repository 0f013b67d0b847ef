"""Progress of a push or pull that is shown nowhere."""

from __future__ import annotations


class SilentProgress:
    """Progress that nobody looks at."""

    def begin(self, what: str, total_bytes: int) -> None: ...

    def advance(self, size_bytes: int) -> None: ...

    def note(self, text: str) -> None: ...
