"""Pinned chance and time: statements that run again give the same values.

A pin is a seed and a time. SQLite's generator starts anew before every statement, from the seed and the position of the
statement. So nothing else of the process matters: other statements between two of a transaction, the container, or how
many values an earlier statement took. The statements see the time of the pin (`DraftVFS.connect`).

SQLite seeds its generator from the default VFS. That is this one only for the moment in which it is asked: databases
that other code of the process opens stay with the system's VFS. It is asked at once, within this thread's call: a later
call could come from a thread of SQLite's that has to wait for Python.

Inside one statement, SQLite itself takes from the generator: a number for the header of its journal, whenever it begins
one, or writes changed pages before the end because they exceed its cache. Both depend on the statements of the
transaction so far and on the state that they began from, and so are the same when they run again from there. Names of
temporary files would depend on the machine, so they are not taken from it (`storage/vfs.py`).

Code of the process that uses apsw without a turn (`sql/chance.py`) may disturb a pinned statement. The values differ
then when it runs again, which validation notices: nothing wrong is committed.
"""

from __future__ import annotations

import hashlib
import hmac
import os

import apsw

from lambda_handlers.wire.pin import Pin

__all__ = ["Pin", "end_seed", "seed"]


class _Seed(apsw.VFS):
    """The system's VFS, except for chance."""

    def __init__(self) -> None:
        self.name = "sldb-seed"
        self.material = b""
        self.primed_in = 0  # the process in which the system's VFS has been asked for chance
        super().__init__(self.name, base="")

    def xRandomness(self, count: int) -> bytes:
        return hashlib.shake_256(self.material).digest(count)


_SYSTEM = apsw.vfs_names()[0]  # the default
_SEED = _Seed()


def seed(pin: Pin, index: int) -> None:
    """Start SQLite's generator from a pin and the position of a statement. No statement may run meanwhile."""
    _prime()
    _SEED.material = hmac.digest(pin.seed, b"%d" % index, "sha256")
    apsw.set_default_vfs(_SEED.name)
    try:
        apsw.randomness(0)
        apsw.randomness(1)  # asks the default VFS
    finally:
        apsw.set_default_vfs(_SYSTEM)


def end_seed() -> None:
    """Let SQLite's generator start from the system's chance when it is next used."""
    apsw.randomness(0)


def _prime() -> None:
    """Ask the system's VFS for chance, once in a process: SQLite starts its generator anew at the first temporary file
    of a process in which it has not done so."""
    process = os.getpid()
    if _SEED.primed_in != process:
        apsw.randomness(0)
        apsw.randomness(1)
        _SEED.primed_in = process
