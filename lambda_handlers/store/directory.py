"""The object store over a directory: durable, and safe for several processes at once.

`create` writes a temporary file, brings it to the disk (fsync of the file and of its directory) and links it to its
name, which fails if the name is taken: atomic on every POSIX file system; on Windows a rename does the same.
A failure before that (a full disk) is Refused: nothing was made.
Temporary files begin with a dot, and no listing shows them. A dead process leaves its temporary files; after a day the
next process to create an object in the same directory removes them.

`replace` compares and renames under a file lock of the operating system. Every `replace` and `put` takes it.

If a sync fails after an object has its name, its directory is unsynced: nothing in it is read again before a sync of
the directory, and of those above it, has succeeded. So a commit with a lost answer, resolved by reading the object
back, is not taken for durable only because the page cache has it.

A root that has disappeared (removed, or no longer mounted) is Refused: a missing object proves nothing then, and the
root is not made again.

The file of a private object (below `PRIVATE_PREFIX`) can be read by its owner alone, from its first byte on.

The directory may be on NFS, as EFS is (docs/efs.md): what is absent is looked up again after its directory was opened,
and `replace` opens it before it compares (`lookups`). Files that NFS clients keep for readers of removed ones (.nfs…)
are left over like temporary ones when their clients die.

An object is a regular file in real directories below the root. Links, pipes and devices are not objects: no listing
shows them, and a key of one, or of a path out of the root, is Refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from lambda_handlers.store import lookups
from lambda_handlers.store.file_errors import refused, unavailable
from lambda_handlers.store.file_locks import locked_file
from lambda_handlers.store.protocol import (
    CHUNK_BYTES,
    PRIVATE_PREFIX,
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectInfo,
    PreconditionFailed,
    Refused,
)

LEFTOVER_SECONDS = 86_400.0  # a temporary file that old belongs to a process that died
_CHANGING = ".changing"  # the file lock of a directory
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}|\.nfs[0-9a-f]{8,}")
_IMPOSSIBLE = re.compile(r"[\0\\:]" if os.name == "nt" else "\0")  # characters that no file name has there
_MODE, _PRIVATE_MODE = 0o666, 0o600
_NO_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

T = TypeVar("T")


def path_of_url(url: str) -> Path:
    """Return the directory of a file:/// URL, also on Windows (file:///C:/databases)."""
    path = unquote(urlsplit(url).path)
    return Path(path[1:] if os.name == "nt" else path)


class DirectoryStore:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._has_seen_root = False
        self._durable: set[Path] = set()  # directories whose own names are known to be on the disk, up to the root's
        self._renamed_in: set[Path] = set()  # directories that got a new directory which may not be on the disk yet
        self._unsynced: set[Path] = set()  # directories with names that may not be on the disk

    def get(self, key: str) -> bytes:
        return self._look_up(key, Path.read_bytes)

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        try:
            self._open_directory(key)  # a remembered name may lead to the file of before
        except OSError as error:
            raise unavailable(key, error) from error
        body = self.get(key)
        return body, _etag(body)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        def read(path: Path) -> bytes:
            with path.open("rb") as file:
                file.seek(start)
                return file.read(length)

        return self._look_up(key, read)

    def size(self, key: str) -> int:
        return self.info(key).size

    def info(self, key: str) -> ObjectInfo:
        status = self._look_up(key, Path.stat)
        if stat.S_ISDIR(status.st_mode):
            raise NotFound(key)
        return ObjectInfo(key, status.st_size, status.st_mtime)

    def chunks(self, key: str) -> Iterator[bytes]:
        try:
            with self._look_up(key, lambda path: path.open("rb")) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            raise unavailable(key, error) from error

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        try:
            path = self._path_to_read(prefix)
            lookups.open_anew(path, self.root)
            yield from self._walk(path, prefix, after or "")
        except OSError as error:
            raise unavailable(prefix, error) from error

    def list_directories(self, prefix: str) -> list[str]:
        """Return the directories with objects. Empty ones stay behind after the last delete, or a failed first
        create."""
        try:
            root = self._path_to_read(prefix)
            lookups.open_anew(root, self.root)
            names = sorted(entry.name for entry in os.scandir(root) if _is_directory(entry))
            return [name for name in names if not name.startswith(".") and any(self._walk(root / name, "", ""))]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unavailable(prefix, error) from error

    def create(self, key: str, body: bytes) -> str:
        self._create(key, (body,))
        return _etag(body)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        self._create(key, chunks)

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        self._create(key, chain.from_iterable(self._pieces(part) for part in parts))
        return ""

    def put(self, key: str, body: bytes) -> str:
        with self._changing(key) as path:
            self._place(path, (body,), Path.replace)
        return _etag(body)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:  # noqa: ARG002
        return None

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self.size(key)  # otherwise taking the lock would make a missing directory
        with self._changing(key) as path:
            if self.get_with_tag(key)[1] != etag:
                raise PreconditionFailed(key)
            self._place(path, (body,), Path.replace)
        return _etag(body)

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise unavailable(key, error) from error

    def delete_version(self, key: str, etag: str) -> bool:
        with suppress(NotFound):
            self.size(key)  # otherwise taking the lock would make a missing directory
            with self._changing(key) as path:
                if self.get_with_tag(key)[1] == etag:
                    path.unlink()
                    return True
        return False

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _look_up(self, key: str, read: Callable[[Path], T]) -> T:
        """Return what `read` returns of the key's file. Raises NotFound if the server confirms that there is none."""
        try:
            return lookups.confirmed(lambda: read(self._path_to_read(key)), lambda: self._open_directory(key))
        except _NO_OBJECT as error:
            raise NotFound(key) from error
        except OSError as error:
            raise unavailable(key, error) from error

    def _open_directory(self, key: str) -> None:
        lookups.open_anew(self._path(key).parent, self.root)

    def _path(self, key: str) -> Path:
        """Return the file of a key, or the directory of a prefix. Raises Refused for a path out of the root, or to no
        regular file, and if the root is gone."""
        parts = key.removesuffix("/").split("/") if key else []
        if any(part in ("", ".", "..") or _IMPOSSIBLE.search(part) for part in parts):
            raise Refused(key, "is not a key: it leads out of the store's directory")
        path, has_seen_root = self.root, self._has_seen_root  # before the check: another thread may make the root now
        if path.is_dir():
            self._has_seen_root = True
        elif has_seen_root:
            raise Refused(key, "the directory of the databases is gone")
        for part in parts:
            path = path / part
            _check_real(path, key)
        return path

    def _path_to_read(self, key: str) -> Path:
        """Return the path of a key to be read, after a sync of its directory if that is unsynced; raises OSError."""
        path = self._path(key)
        for directory in [one for one in tuple(self._unsynced) if one.is_relative_to(path.parent)]:
            _sync_directory(directory)
            self._sync_names_above(directory)
            self._unsynced.discard(directory)
        return path

    def _create(self, key: str, chunks: Iterable[bytes]) -> None:
        path, may_exist = self._path(key), False

        def publish(temporary: Path, path: Path) -> None:
            nonlocal may_exist
            may_exist = True
            _publish(temporary, path)

        try:
            self._place(path, _marking_source_errors(chunks), publish)
        except _SourceError as error:
            raise error.reason from None
        except OSError as error:
            if not may_exist:
                raise refused(key, error) from error
            raise (AlreadyExists(key) if isinstance(error, FileExistsError) else unavailable(key, error)) from error

    def _place(self, path: Path, chunks: Iterable[bytes], publish: Callable[[Path, Path], object]) -> None:
        """Write a file and give it its name by `publish`; return after both, and the names of all directories above,
        are on the disk."""
        may_be_named = False

        def give_name(temporary: Path, path: Path) -> None:
            nonlocal may_be_named
            may_be_named = True
            publish(temporary, path)

        self._make_parents(path)
        try:
            _write(path, self._mode(path), chunks, give_name)
            self._sync_names_above(path.parent)
        except FileExistsError:
            raise
        except BaseException:
            if may_be_named:
                self._unsynced.add(path.parent)
            raise

    def _mode(self, path: Path) -> int:
        """Return the mode of a new file, before the process's umask."""
        return _PRIVATE_MODE if path.is_relative_to(self.root / PRIVATE_PREFIX) else _MODE

    def _pieces(self, part: bytes | CopyOf) -> Iterator[bytes]:
        if isinstance(part, bytes):
            yield part
            return
        for start in range(part.start, part.start + part.length, CHUNK_BYTES):
            yield self.get_range(part.key, start, min(CHUNK_BYTES, part.start + part.length - start))

    @contextmanager
    def _changing(self, key: str) -> Iterator[Path]:
        """Hold the lock for every `replace` and `put` in the directory of this key."""
        path = self._path(key)
        try:
            self._make_parents(path)
            with locked_file(path.parent / _CHANGING):
                yield path
        except OSError as error:
            raise unavailable(key, error) from error

    def _make_parents(self, path: Path) -> None:
        """Make the missing directories above `path`."""
        missing = [parent for parent in path.parents if not parent.exists()]
        self._renamed_in.update(parent.parent for parent in missing)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._has_seen_root = True

    def _sync_names_above(self, directory: Path) -> None:
        """Sync the names of the directories, once in each process: the process that made one may have died before it
        did."""
        made = {one for one in tuple(self._renamed_in) if directory.is_relative_to(one)}
        if directory not in self._durable or made:
            names = len(directory.relative_to(self.root).parts)
            for parent in made.union(directory.parents[: names + 1]):
                _sync_directory(parent)
            self._renamed_in -= made
        if directory not in self._durable:
            _remove_leftovers(directory)
            self._durable.add(directory)

    def _walk(self, directory: Path, prefix: str, after: str) -> Iterator[ObjectInfo]:
        try:
            # In order of keys, where a directory's name continues with a slash: "a-b/c" and "a.txt" before "a/b".
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name + "/" * _is_directory(entry))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_directory(entry):
                below = f"{prefix}{entry.name}/"
                if below > after or after.startswith(below):
                    yield from self._walk(Path(entry.path), below, after)
            elif entry.is_file(follow_symlinks=False) and prefix + entry.name > after:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # deleted since the directory was read
                yield ObjectInfo(prefix + entry.name, status.st_size, status.st_mtime)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    """Return True for a real directory. Links are not followed: a cycle of links would be followed for ever."""
    return entry.is_dir(follow_symlinks=False)


def _check_real(path: Path, key: str) -> None:
    """Raise Refused for a link, a pipe or a device at the path: a link leads elsewhere, opening a pipe may block."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # the calling method gets the same error and interprets it
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a link" if stat.S_ISLNK(mode) else "not a regular file"
        raise Refused(key, f"{path} is {kind}; remove it, or replace it with a regular file or directory")


class _SourceError(Exception):
    """An OSError of the chunks, unrelated to this store."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


def _marking_source_errors(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except OSError as error:
        raise _SourceError(error) from error


def _write(path: Path, mode: int, chunks: Iterable[bytes], publish: Callable[[Path, Path], object]) -> None:
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _remove_leftovers(directory: Path) -> None:
    oldest = time.time() - LEFTOVER_SECONDS
    for entry in os.scandir(directory):
        if _TEMPORARY.fullmatch(entry.name):
            with suppress(OSError):  # another process was faster
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)


def _publish(temporary: Path, path: Path) -> None:
    if os.name == "nt":
        temporary.rename(path)  # fails there if the name is taken
    else:
        path.hardlink_to(temporary)


def _sync_directory(directory: Path) -> None:
    """Bring new names to the disk. Windows cannot open a directory to do so; its file systems journal names."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
