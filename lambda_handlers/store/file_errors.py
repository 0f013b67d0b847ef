"""The errors of the file system below a directory store, as errors of the store: with the cause and its own next step,
not with that of a bucket.
"""

from __future__ import annotations

import errno

from lambda_handlers.store.protocol import Refused, Unavailable

_FULL = "free space on the disk of the databases, or raise the quota"
_RIGHTS = "check that this user may read and write the directory"
_MISSING = "check the path, and that its file system is mounted"
_HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ESTALE), _MISSING),
}


def refused(key: str, error: OSError) -> Refused:
    """Return the error for a write without effect."""
    return Refused(key, _text(error), _HINTS.get(error.errno or 0, _MISSING))


def unavailable(key: str, error: OSError) -> Unavailable:
    """Return the error for a read, or for a write with an unknown effect."""
    return Unavailable(key, _text(error), _HINTS.get(error.errno or 0, ""))


def _text(error: OSError) -> str:
    if not error.strerror:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
