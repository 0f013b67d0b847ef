"""Look-ups of names in directories that may be on NFS: an absence counts only if the server has just confirmed it.

An NFS client remembers names, also that one does not exist, until it notices a change of their directory; it may notice
that a minute late (nfs(5): `acdirmax`, "Directory entry caching"), and a container that was frozen later still, since
its clock stood still. "There is no transaction n + 1" from such a memory would hide a commit that was acknowledged.

Opening a directory is what the client must not answer by itself: close-to-open consistency has it ask the server for
the directory's attributes at each open, however fresh those in its memory are (nfs(5): "Close-to-open cache
consistency"; in Linux `nfs_lookup_verify_inode` with LOOKUP_OPEN). If the directory has changed, all that is remembered
of its names is dropped (`nfs_neg_need_reval`). So a name that is absent is looked up again after its directory was
opened; the second answer was true at some moment after the first look-up began. On a local file system that costs
microseconds.

What exists needs no confirmation: objects are not changed, but for the few that are replaced, and what compares one
of those opens its directory first. A file that vanished under its reader (ESTALE) is looked up again as well.
What makes or removes a name (link, rename, unlink) is decided by the server in any case, and link is what commits.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def confirmed(look: Callable[[], T], refresh: Callable[[], object]) -> T:
    """Return the result of `look`, after `refresh` if it found nothing before. Raises OSError."""
    try:
        return look()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
    refresh()
    return look()


def open_anew(directory: Path, root: Path) -> None:
    """Open a directory for a moment, so that an NFS client asks the server about it; if it seems to be missing, first
    those above it, as far as `root`. Raises OSError, but not for a missing directory."""
    if os.name == "nt":
        return  # cannot open directories; Lambda is not there
    try:
        _open(directory)
        return
    except (FileNotFoundError, NotADirectoryError):
        if directory == root:
            return
    open_anew(directory.parent, root)
    with suppress(FileNotFoundError, NotADirectoryError):
        _open(directory)


def _open(directory: Path) -> None:
    os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
