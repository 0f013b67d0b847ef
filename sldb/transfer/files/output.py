"""The output of an export: an atomically written file, or standard output; compressed by its name.

Files are replaced by `sldb.atomic_file`. Devices and pipes (/dev/null, /dev/stdout) are written to directly, and never
replaced. On a terminal control characters are escaped: the data is untrusted.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from lambda_handlers.wire import SldbError
from sldb import atomic_file
from sldb.file_formats import split_compression
from sldb.render.text import escape_lines
from sldb.transfer.files import compression


@contextmanager
def open_output(path: Path | None, standard_output: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a stream for `path`, or for standard output. After an error there is no file."""
    if path is None:
        out = _for_device(standard_output)
        yield out
        out.flush()
        return
    kind = split_compression(path.name)[1]
    with (_opened if _is_special(path) else _appearing_open)(path) as raw:
        out = compression.writer(raw, kind)
        yield out
        if out is not raw:
            out.close()


@contextmanager
def _appearing_open(path: Path) -> Iterator[BinaryIO]:
    with replacing_file(path) as unfinished, unfinished.open("wb") as raw:
        yield raw


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as raw:
            out = _for_device(raw)
            yield out
            out.flush()
    except OSError as error:
        raise _cannot_be_written(path, error, "a part of the output may have been written") from error


def _for_device(raw: BinaryIO) -> BinaryIO:
    """Return the stream itself, or for a terminal one with control characters escaped."""
    return cast(BinaryIO, _Terminal(raw)) if raw.isatty() else raw


class _Terminal(io.BufferedIOBase):
    """A stream for UTF-8 text, in pieces of any length, made safe to print."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._raw.write(escape_lines(self._decoder.decode(data)).encode())
        return len(data)

    def flush(self) -> None:
        self._raw.flush()


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a file beside `path`, to be renamed at the end of the block. Raises `bad_request`."""
    path = Path(os.path.realpath(path))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if _is_special(path):
            raise OSError(errno.ENOTSUP, "it is not a regular file, and cannot be replaced by one")
        with atomic_file.replacing(path) as unfinished:
            yield unfinished
    except atomic_file.NotSynced as error:
        hint = "the complete file is there, but its directory was not synced: a crash of the system may undo that"
        raise _cannot_be_written(path, error, hint) from error
    except OSError as error:
        raise _cannot_be_written(path, error, "no file was created or changed") from error


def _cannot_be_written(path: Path, error: OSError, hint: str) -> SldbError:
    return SldbError("bad_request", f"{path} cannot be written: {error.strerror or error}", hint)
