"""The pages of a SQLite file, read by SQLite's own backup into a file in memory without storage.

`Connection.cache_flush` writes all copied pages out, except page 1, which the backup holds until its end. SQLite
promises no order; the reader of the pages checks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import apsw

_STEP_PAGES = 256
_CACHE_PAGES = 2 * _STEP_PAGES  # of the copy: more than a step, so that nothing is written in the middle of one
_names = count()


class _CaptureVfs(apsw.VFS):
    """A file system of one empty file; writes to it are collected by offset."""

    def __init__(self) -> None:
        self.name = f"sldb-capture-{next(_names)}"
        self.written: dict[int, bytes] = {}  # by offset
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: ARG002
        flags[1] = flags[0]
        return _CapturedFile(self.written)

    def xFullPathname(self, name: str) -> str:
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: ARG002
        return False

    def xDelete(self, filename: str, syncdir: bool) -> None:
        pass


class _CapturedFile:
    """The methods of a file called by SQLite."""

    def __init__(self, written: dict[int, bytes]) -> None:
        self._written = written

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: ARG002
        return b""

    def xWrite(self, data: bytes, offset: int) -> None:
        self._written[offset] = bytes(data)

    def xFileSize(self) -> int:
        return 0

    def xTruncate(self, newsize: int) -> None:
        pass

    def xSync(self, flags: int) -> None:
        pass

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xClose(self) -> None:
        pass

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: ARG002
        return False


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup under way."""

    backup: Any
    target: apsw.Connection
    capture: _CaptureVfs

    def next_pages(self) -> list[tuple[int, bytes]]:
        """Return offset and content of the next pages, ascending; none at the end. Raises apsw.Error."""
        if self.backup.done:
            return []
        self.backup.step(_STEP_PAGES)
        self.target.cache_flush()
        pages = sorted(self.capture.written.items())
        self.capture.written.clear()
        return pages


@contextmanager
def open_backup(connection: apsw.Connection) -> Iterator[Backup]:
    """Yield a backup of the connection's database."""
    capture = _CaptureVfs()
    target = apsw.Connection("copy", vfs=capture.name)
    try:
        target.pragma("journal_mode", "off")
        target.pragma("synchronous", "off")
        target.pragma("cache_size", _CACHE_PAGES)
        backup = target.backup("main", connection, "main")
        try:
            yield Backup(backup, target, capture)
        finally:
            backup.close(force=True)
    finally:
        target.close()
        capture.unregister()
