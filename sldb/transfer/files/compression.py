"""Compression with gzip and zstd, streaming. zstd is in Python from 3.14 on, and in the extra `zstd` before.

The endings of compressed files are in `sldb.file_formats`.
"""

from __future__ import annotations

import gzip
import importlib
import sys
from types import ModuleType
from typing import BinaryIO, cast

from lambda_handlers.wire import SldbError

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def detect(first_bytes: bytes) -> str | None:
    """Return the compression of data that begins so."""
    return next((kind for magic, kind in _MAGIC.items() if first_bytes.startswith(magic)), None)


def reader(raw: BinaryIO, kind: str | None) -> BinaryIO:
    """Return the decompressed content of `raw`. Reading damaged data raises an error of `errors`."""
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return cast(BinaryIO, _zstd().ZstdFile(raw)) if kind == "zstd" else raw


def writer(raw: BinaryIO, kind: str | None) -> BinaryIO:
    """Return a compressing writer; closing it ends the data and leaves `raw` open."""
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0))
    return cast(BinaryIO, _zstd().ZstdFile(raw, "wb")) if kind == "zstd" else raw


def errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that damaged data raises."""
    loaded = next((sys.modules[name] for name in _ZSTD if name in sys.modules), None)
    return (gzip.BadGzipFile, EOFError, OSError, *((loaded.ZstdError,) if loaded else ()))


_ZSTD = ("compression.zstd", "backports.zstd")


def _zstd() -> ModuleType:
    for name in _ZSTD:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise SldbError(
        "bad_request",
        "zstd is not in this Python, and the package for it is not installed",
        "pip install 'sldb[zstd]', or use gzip",
    )
