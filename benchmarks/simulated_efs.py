"""A directory with the latency of EFS that counts the operations of its NFS client. Simulated: no EFS was measured.

An operation that reads takes 1 ms and one that writes 2.7 ms, data and metadata alike ("Amazon EFS performance
specifications", table "Performance specifications for file systems using General Purpose performance mode", user guide
of EFS, elastic throughput, regional: about 1 ms and 2.7 ms; the guide says "as low as"). Bodies move at the speed of
one connection of the simulated S3; EFS itself gives a client 500 MiB/s or more, Lambda an environment 75 MB/s.

What asks the server is what Linux's client sends over NFS 4.1 (nfs(5)): the first look-up of a name, each open of a
file or directory, a READ or WRITE for each MiB, LINK, REMOVE, RENAME, CREATE, a COMMIT with fsync, LOCK. Names and
attributes are answered from memory after their first look-up, an absence until its directory is opened and has
changed, and so are pages of a file after their first READ. Closing and unlocking wait for no answer.

EFS meters each operation: 4 KiB at least for metadata, 32 KiB at least for data ("How do I estimate Elastic Throughput
mode costs", re:Post, an article of AWS's).
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from benchmarks.simulated_s3 import BYTES_A_SECOND, Asked, Figures

READ_SECONDS, WRITE_SECONDS = 0.001, 0.0027
NFS_BYTES = 1 << 20  # of a READ or a WRITE: rsize, wsize
METADATA_BYTES, DATA_BYTES = 4 << 10, 32 << 10  # metered at least
WRITES = frozenset({"CREATE", "WRITE", "LINK", "REMOVE", "RENAME", "LOCK"})
DATA = frozenset({"READ", "WRITE"})

T = TypeVar("T")


def metered(asked: Asked) -> int:
    """Return the bytes that EFS meters for an operation."""
    return max(asked.down + asked.up, DATA_BYTES if asked.verb in DATA else METADATA_BYTES)


class SimulatedEfs:
    """One client with the directory `root` as its mount. `is_slow` may be turned off while a database is filled."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.is_slow = True
        self._asked: list[Asked] = []
        self._recording = threading.Lock()
        self._moving = threading.Lock()  # one connection for all bodies
        self._known: set[str] = set()  # names whose attributes are remembered
        self._absent: set[str] = set()
        self._read: set[tuple[str, int]] = set()  # remembered pages of files, by MiB
        self._changed_at: dict[str, int] = {}  # directories, as they were opened last

    def measure(self, action: Callable[[], T]) -> tuple[T, Figures]:
        self._asked = []
        began = time.perf_counter()
        result = action()
        ms = (time.perf_counter() - began) * 1000
        return result, Figures(ms, tuple(self._asked))

    def forget(self) -> None:
        """Become a client that has looked up nothing: that of a cold container."""
        self._known, self._absent, self._read, self._changed_at = set(), set(), set(), {}

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Let this process's calls on files below the root go through the client."""
        with ExitStack() as patches:
            for name, seen in self._calls().items():
                patches.enter_context(patch.object(os, name, seen(getattr(os, name))))
            opened = self._open_file(builtins.open)
            for module in (builtins, io):
                patches.enter_context(patch.object(module, "open", opened))
            patches.enter_context(patch.object(fcntl, "flock", self._flock(fcntl.flock)))
            yield

    def _calls(self) -> dict[str, Callable[[Any], Any]]:
        look, change = self._looking, self._changing
        return {
            "open": self._open,
            "stat": look,
            "lstat": look,
            "scandir": self._scandir,
            "link": lambda real: change("LINK", real),
            "mkdir": self._mkdir,
            "unlink": lambda real: change("REMOVE", real),
            "replace": lambda real: change("RENAME", real),
            "rename": lambda real: change("RENAME", real),
        }

    def _looking(self, real: Callable[..., T]) -> Callable[..., T]:
        def looked(path: Any, **how: Any) -> T:
            if self._is_below(path):
                self._look_up(os.fspath(path), real)
                self._check_memory(os.fspath(path))
            return real(path, **how)

        return looked

    def _check_memory(self, name: str) -> None:
        """Raise FileNotFoundError for a name that the client remembers as absent."""
        if name in self._absent:
            raise FileNotFoundError(errno.ENOENT, "remembered as absent", name)

    def _look_up(self, name: str, real: Callable[..., object]) -> None:
        if name in self._known or name in self._absent:
            return
        self._ask("LOOKUP")
        try:
            real(name)
        except OSError:
            self._absent.add(name)
        else:
            self._known.add(name)

    def _changing(self, verb: str, real: Callable[..., T]) -> Callable[..., T]:
        def changed(path: Any, *more: Any, **how: Any) -> T:
            names = [os.fspath(each) for each in (path, *more[:1]) if self._is_below(each)]
            if names:
                self._ask(verb)
                self._absent.difference_update(names)
                self._known.difference_update(names)
            result = real(path, *more, **how)
            self._known.update(name for name in names[-1:] if verb != "REMOVE")
            return result

        return changed

    def _mkdir(self, real: Callable[..., None]) -> Callable[..., None]:
        made = self._changing("CREATE", real)

        def make(path: Any, *more: Any, **how: Any) -> None:
            (real if os.fspath(path) in self._known else made)(path, *more, **how)  # the client knows that it is there

        return make

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *more: Any, **how: Any) -> int:
            name = os.fspath(path)
            if self._is_below(path):
                if not flags & os.O_CREAT:
                    self._check_memory(name)
                is_made = bool(flags & os.O_CREAT) and name not in self._known
                self._ask("CREATE" if is_made else "OPEN")
                self._known.update([name] if is_made else [])
            descriptor = real(path, flags, *more, **how)
            self._see(name, os.fstat(descriptor))
            return descriptor

        return opened

    def _see(self, name: str, status: os.stat_result) -> None:
        """Forget the absences in a directory if it has changed."""
        if stat.S_ISDIR(status.st_mode) and self._changed_at.get(name) != status.st_mtime_ns:
            self._changed_at[name] = status.st_mtime_ns
            self._absent = {each for each in self._absent if os.path.dirname(each) != name}

    def _scandir(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def scanned(path: Any = ".") -> Any:
            if self._is_below(path):
                self._ask("OPEN")
                with real(path) as entries:
                    names = [entry.path for entry in entries]
                for _ in range(0, max(1, len(names)), 1000):
                    self._ask("READDIR")
                self._known.update(names)
            return real(path)

        return scanned

    def _open_file(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, mode: str = "r", *more: Any, **how: Any) -> Any:
            if isinstance(path, int) or not self._is_below(path):
                return real(path, mode, *more, **how)
            name = os.fspath(path)
            if "r" not in mode:  # its opener is os.open
                return _Written(real(path, mode, *more, **how), self, name)
            self._check_memory(name)
            self._ask("OPEN")
            try:
                file = real(path, mode, *more, **how)
            except OSError:
                self._absent.add(name)
                raise
            return _Read(file, self, name)

        return opened

    def _flock(self, real: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def locked(descriptor: int, operation: int) -> None:
            if not operation & fcntl.LOCK_UN and os.readlink(f"/proc/self/fd/{descriptor}").startswith(self.root):
                self._ask("LOCK")
            real(descriptor, operation)

        return locked

    def read(self, name: str, start: int, length: int) -> None:
        """Note a read of a file: of what is not remembered."""
        for piece in range(start // NFS_BYTES, (start + max(1, length) - 1) // NFS_BYTES + 1):
            if (name, piece) not in self._read:
                low, high = max(start, piece * NFS_BYTES), min(start + length, (piece + 1) * NFS_BYTES)
                self._ask("READ", down=max(0, high - low))
                if high - low == NFS_BYTES:
                    self._read.add((name, piece))

    def written(self, size: int) -> None:
        """Note the sync of a new file with this many bytes."""
        for start in range(0, size, NFS_BYTES):
            self._ask("WRITE", up=min(NFS_BYTES, size - start))

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.root)

    def _ask(self, verb: str, down: int = 0, up: int = 0) -> None:
        began = time.perf_counter()
        if self.is_slow:
            time.sleep(WRITE_SECONDS if verb in WRITES else READ_SECONDS)
            if down + up:
                with self._moving:
                    time.sleep((down + up) / BYTES_A_SECOND)
        with self._recording:
            self._asked.append(Asked(verb, began, time.perf_counter(), down, up))


class _File:
    def __init__(self, file: Any, client: SimulatedEfs, name: str) -> None:
        self._file = file
        self._client = client
        self._name = name

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Read(_File):
    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        body: bytes = self._file.read(size)
        self._client.read(self._name, start, len(body))
        return body


class _Written(_File):
    """A new file: its WRITEs go with fsync, for which flush stands."""

    def flush(self) -> None:
        self._file.flush()
        self._client.written(self._file.tell())
