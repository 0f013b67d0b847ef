"""Temporary files. `tempfile` loads 3 ms of modules, and cold starts can do without."""

from __future__ import annotations

import os
from typing import IO


def directory() -> str:
    """Return the directory of temporary files: TMPDIR if it is one, else the choice of `tempfile`."""
    given = os.environ.get("TMPDIR") or "/tmp"  # nosec B108 - files have random names there, or none
    if os.path.isabs(given) and os.access(given, os.W_OK | os.X_OK):
        return given
    import tempfile

    return tempfile.gettempdir()


def nameless_file(place: str) -> IO[bytes]:
    """Return an unbuffered file, not to be found or opened by another user. Raises OSError.

    Linux makes files without a name; elsewhere, and on some file systems, `tempfile` removes the name.
    """
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.fdopen(os.open(place, os.O_TMPFILE | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b", 0)
        except OSError:  # `tempfile` tells whether nothing can be written there
            pass
    import tempfile

    return tempfile.TemporaryFile(dir=place, prefix="sldb-", buffering=0)
