"""Litestream's VFS, over a log in its own format as a pass of sldb's maintenance leaves it: one snapshot.

A write is in S3 only after a synchronization, so one is part of each write here: leaving the write mode sends what is
pending.

Its settings are environment variables (`benchmarks.peers.peers`): the extension reads those of the process's start.
"""

import ctypes
import sqlite3
from contextlib import suppress

import litestream_vfs


class Litestream:
    def __init__(self) -> None:
        _load()
        self._connection = None

    def run(self, sql, writes):
        if self._connection is None:
            self._connection = sqlite3.connect("file:main.db?vfs=litestream", uri=True)
        rows = self._connection.execute(sql).fetchall()
        if writes:
            self._connection.commit()
            self._synchronize()
        return rows

    def _synchronize(self):
        for value in (0, 1):
            with suppress(MemoryError):  # its answer to this pragma, which works all the same
                self._connection.execute(f"PRAGMA litestream_write_enabled = {value}").fetchall()


def _load():
    """Load the extension into the SQLite of the module sqlite3, which may be built without the means for it. It
    registers a function for each new connection, with which none can be opened: that is taken back."""
    sqlite, database, error = ctypes.CDLL("libsqlite3.so.0"), ctypes.c_void_p(), ctypes.c_char_p()
    path = litestream_vfs.loadable_path().encode()
    assert sqlite.sqlite3_open(b":memory:", ctypes.byref(database)) == 0
    assert sqlite.sqlite3_enable_load_extension(database, 1) == 0
    if sqlite.sqlite3_load_extension(database, path, None, ctypes.byref(error)) not in (0, 256):  # 256: stays loaded
        raise OSError(error.value)
    sqlite.sqlite3_reset_auto_extension()


def open_peer(url, argument):
    return Litestream()
