"""Locks of the operating system on files: they end with the process that has them, and threads exclude each other too.

flock on POSIX systems, a locked byte on Windows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

_PAUSE_SECONDS = 0.002

if sys.platform == "win32":
    import msvcrt

    # Locks of Windows are mandatory: a byte far behind the text leaves the text readable.
    LOCKED_BYTE = 1 << 30

    def try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there; for moments only."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not try_lock(descriptor):
            sleep(_PAUSE_SECONDS)
        try:
            yield
        finally:
            unlock(descriptor)
    finally:
        os.close(descriptor)
