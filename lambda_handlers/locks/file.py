"""The lock over a directory: the operating system's own file locks, which die with their process.

`<directory>/<database>/lock` is locked during a write; its text names the holder, for messages only. The file is never
removed: that would let two writers lock two files. There is no age here, because no dead process can hold the lock; for
the same reason no lock of another living process can be released, only waited for.

flock (and on Windows a locked byte) belongs to the open file, so threads exclude each other as processes do.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from lambda_handlers.host import Host
from lambda_handlers.locks.protocol import Sleep, Sweep
from lambda_handlers.locks.waiting import lock_timeout, sleep_within
from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.storage.log.keys import database_names
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.file_locks import open_lock_file, try_lock, unlock
from lambda_handlers.store.protocol import StoreError
from lambda_handlers.store_clock import StoreClock
from lambda_handlers.wire import SldbError

NAME = "lock"
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.010, 0.050


class FileLock:
    freed_stale = 0

    def __init__(
        self,
        directory: Path,
        host: Host,
        clock: StoreClock | None = None,
        check_missing: Callable[[], object] = lambda: None,
    ) -> None:
        """`check_missing`: called before the directory is made; raises StoreError if it was there and is gone."""
        self._directory = directory
        self._check_missing = check_missing
        self._host = host
        self._clock = clock or StoreClock()
        self._open: dict[str, int] = {}  # lock id → descriptor of the locked file
        self._guard = threading.Lock()

    def acquire(self, database: str, deadline: float, doing: str, sleep: Sleep | None = None) -> Holder:
        path = self._directory / database / NAME
        try:
            self._check_real(path.parent)
            if not self._directory.is_dir():
                self._check_missing()
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_lock_file(path)
        except StoreError as error:
            raise store_error(error) from error
        except OSError as error:
            raise _failed(database, error) from error
        try:
            self._wait(descriptor, path, database, deadline, sleep)
            taken_at = self._host.now()
            holder = Holder(self._host.nonce(), database, f"process {os.getpid()}", taken_at, doing)
            _write(descriptor, holder)
            self._clock.observe_date(os.fstat(descriptor).st_mtime, taken_at)
        except OSError as error:
            os.close(descriptor)
            raise _failed(database, error) from error
        except BaseException:
            os.close(descriptor)
            raise
        with self._guard:
            self._open[holder.lock_id] = descriptor
        return holder

    def release(self, lock_id: str, database: str) -> bool:
        with self._guard:
            descriptor = self._open.pop(lock_id, None)
        if descriptor is None:
            return self._refuse_release(lock_id, database)
        try:
            os.ftruncate(descriptor, 0)
            unlock(descriptor)
        finally:
            os.close(descriptor)
        return True

    def holders(self) -> list[Holder]:
        names = sorted(path.parent.name for path in self._directory.glob(f"*/{NAME}"))
        found = (self._holder(name) for name in database_names(names))
        return [holder for holder in found if holder]

    def free_expired(self, deadline: float) -> Sweep:  # noqa: ARG002 - the protocol's signature
        return Sweep()  # a lock ends with its process

    def _check_real(self, directory: Path) -> None:
        """Raise OSError for a link: it would put the lock of one database into another, or out of the store."""
        if directory.is_symlink():
            raise OSError(errno.ELOOP, "is a link; replace it with the directory that it points to", str(directory))

    def _wait(self, descriptor: int, path: Path, database: str, deadline: float, sleep: Sleep | None) -> None:
        while not try_lock(descriptor):
            longer = (MAX_PAUSE_SECONDS - MIN_PAUSE_SECONDS) * self._host.jitter()
            if not sleep_within(self._host, MIN_PAUSE_SECONDS + longer, deadline, sleep):
                hint = "send it again later; the lock ends with the process that has it"
                raise lock_timeout(database, _read(path, database), self._host.now(), hint)

    def _refuse_release(self, lock_id: str, database: str) -> bool:
        holder = self._holder(database)
        if holder is None or holder.lock_id != lock_id:
            return False
        raise SldbError(
            "store_error",
            f"the lock of database {database} belongs to {holder.owner}, which is alive",
            f"end that process: its lock ends with it ({holder.owner})",
            database=database,
            holder=holder.encode(self._host.now()),
        )

    def _holder(self, database: str) -> Holder | None:
        """Return the holder of the lock, found by an attempt to take it for a moment."""
        path = self._directory / database / NAME
        try:
            self._check_real(path.parent)
            descriptor = open_lock_file(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(database, error) from error
        try:
            return None if try_lock(descriptor) else _read(path, database)
        finally:
            os.close(descriptor)


def named_holder(directory: Path, database: str) -> Holder | None:
    """Return the holder named in the lock file of a database, without an attempt to take the lock; None for no text.
    A writer that died has left its text: for a display while another writer waits, and nothing else."""
    holder = _read(directory / database / NAME, database)
    return holder if holder.lock_id else None


def _write(descriptor: int, holder: Holder) -> None:
    text = {"lock_id": holder.lock_id, "pid": os.getpid(), "created_at": holder.created_at, "doing": holder.doing}
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(text).encode())


def _read(path: Path, database: str) -> Holder:
    """Return the holder named in the file; only the name if the text is being written at the moment."""
    try:
        fields = json.loads(path.read_bytes())
        return Holder(fields["lock_id"], database, f"process {fields['pid']}", fields["created_at"], fields["doing"])
    except (OSError, ValueError, LookupError, TypeError):
        return Holder("", database, "", None)


def _failed(database: str, error: OSError) -> SldbError:
    return SldbError(
        "store_error",
        f"the lock file of database {database}: {error}",
        "check that the directory can be written to",
        database=database,
        applied="no",
    )
