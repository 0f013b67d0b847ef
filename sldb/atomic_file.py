"""Atomic file writes: a file appears whole or not at all. It is written beside its name, synced, then renamed.

    with replacing(path) as unfinished: …      the caller fills `unfinished`, an empty file in the same directory
    replace_with(path, data)                   the same for bytes at hand
    create_with(path, data)                    only if there is no such file: raises FileExistsError
    move_over(made, path)                      a complete, synced file in the same file system gets the name
    move_if_free(made, path)                   the same, only if there is no such file

The content is on the disk (fsync) before the name changes, and the name is on the disk before the function returns. On
any failure before the rename the temporary file is removed, and the old file is unchanged. A link is followed. An
existing file keeps its mode; a new one gets `new_mode` (0600 for secrets), else 0666 without the umask. Every function
raises OSError; if the failure came after the rename, it is NotSynced.

The temporary name is of the form `.NAME.….part`. If the process is killed, the temporary file remains.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A directory may be writable and not readable, and some network file systems cannot sync directories.
_CANNOT_SYNC_DIRECTORY = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP)
_CANNOT_LINK = (errno.EPERM, errno.ENOTSUP)


class NotSynced(OSError):
    """The complete file has its name, but the sync of its directory failed: a crash of the system may undo the
    rename."""


@contextmanager
def replacing(path: Path, *, new_mode: int | None = None) -> Iterator[Path]:
    """Yield an empty file beside `path`; at the end of the block, unless an exception leaves it, it is renamed."""
    path = Path(os.path.realpath(path))
    with _temporary(path) as unfinished:
        yield unfinished
        _set_mode_and_sync(unfinished, _mode_of(path, new_mode))
        move_over(unfinished, path)


def replace_with(path: Path, data: bytes, *, new_mode: int | None = None) -> None:
    """Replace the content of `path`, or create the file."""
    with replacing(path, new_mode=new_mode) as unfinished:
        unfinished.write_bytes(data)


def create_with(path: Path, data: bytes, *, new_mode: int | None = None) -> None:
    """Create the file. Raises FileExistsError."""
    with _temporary(path) as unfinished:
        unfinished.write_bytes(data)
        _set_mode_and_sync(unfinished, _usual_mode() if new_mode is None else new_mode)
        move_if_free(unfinished, path)


def move_over(made: Path, path: Path) -> None:
    """Rename the complete file `made`, in place of the file of that name if there is one."""
    made.replace(path)
    _sync_directory(path.parent)


def move_if_free(made: Path, path: Path) -> None:
    """Rename the complete file `made` if nothing has the name. Raises FileExistsError."""
    if os.name == "nt":
        made.rename(path)  # fails there if the name is taken
    else:
        _link(made, path)
    _sync_directory(path.parent)


def _link(made: Path, path: Path) -> None:
    """Give `made` its second name by a link, since that fails if the name is taken, and remove the first."""
    try:
        path.hardlink_to(made)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        made.rename(path)  # a file system without links
    else:
        made.unlink()


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def _mode_of(path: Path, new_mode: int | None) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return _usual_mode() if new_mode is None else new_mode


def _usual_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _set_mode_and_sync(path: Path, mode: int) -> None:
    with path.open("r+b") as file:  # Windows syncs only what is open for writing
        path.chmod(mode)
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Sync a new name to the disk. Raises NotSynced. Windows cannot open a directory: its file systems journal."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_DIRECTORY:
            raise NotSynced(error.errno, error.strerror) from error
