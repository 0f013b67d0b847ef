"""The input of an import: its name, its format, and its bytes, decompressed.

The format is given by the user, or else by the first bytes (SQLite, Parquet, compression), the name's ending, or the
beginning of the text.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from lambda_handlers.wire import SldbError
from sldb import file_formats
from sldb.transfer.files import compression, recoding, signatures

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BINARY_FORMATS = ("parquet", "sqlite")
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "sqlite", "sql")
_MAGIC = {b"SQLite format 3\0": "sqlite", b"PAR1": "parquet"}
_SQL = re.compile(rb"\s*(--|/\*|(PRAGMA|BEGIN|CREATE|INSERT|DROP)\b)", re.IGNORECASE)
_PEEK_BYTES = 4096
STANDARD_INPUT = "-"


@dataclass(slots=True)
class Input:
    name: str  # as it was given; "-" is standard input
    format: str = ""  # one of FORMATS; empty until `opened` has read the first bytes, unless the user gives it
    size_bytes: int | None = None  # before decompression; None for a pipe
    is_recoded: bool = False  # the content is in UTF-8, and was not in the file
    _raw: BinaryIO | None = field(default=None, repr=False)
    _is_compressed: bool = False

    @property
    def shown(self) -> str:
        """The name for messages."""
        return "standard input" if self.name == STANDARD_INPUT else self.name

    @property
    def position_bytes(self) -> int:
        """The part of `size_bytes` that was read."""
        return self._raw.tell() if self._raw is not None and self.size_bytes is not None else 0

    @property
    def table(self) -> str:
        """The default name of a table for its rows."""
        return file_formats.split_compression(Path(self.name).name)[0].rpartition(".")[0] or Path(self.name).name

    @contextmanager
    def opened(self, standard_input: BinaryIO, encoding: str = "utf-8") -> Iterator[io.BufferedReader]:
        """Yield the content, and set `format`. Text in encodings without ASCII comes as UTF-8, with `is_recoded`.
        Raises SldbError, also for damage found on reading."""
        with self._opened_raw(standard_input) as raw:
            start = raw.peek(8)[:8]
            if not start and self.name == STANDARD_INPUT:
                raise SldbError("bad_request", "standard input is empty", "the command before the pipe wrote nothing")
            kind = compression.detect(start)
            self._is_compressed = kind is not None
            content = _buffered(_Decompressed(raw, kind, self.shown)) if kind else raw
            if self.format not in BINARY_FORMATS:
                signatures.refuse_foreign(content.peek(_PEEK_BYTES), self.shown)
                wide = recoding.wide_encoding(content.peek(recoding.MARK_BYTES)[: recoding.MARK_BYTES], encoding)
                self.is_recoded = wide is not None
                content = _buffered(recoding.AsUtf8(content, wide)) if wide else content
            self.format = self.format or self._guess(content.peek(_PEEK_BYTES))
            yield content

    @contextmanager
    def as_file(self, standard_input: BinaryIO, encoding: str = "utf-8") -> Iterator[Path]:
        """Yield a file with the content: the input itself, unless it is compressed, recoded or a pipe."""
        with self.opened(standard_input, encoding) as content:
            if self.size_bytes is not None and not self._is_compressed and not self.is_recoded:
                yield Path(self.name)
                return
            with tempfile.TemporaryDirectory(prefix="sldb-") as directory:
                path = Path(directory) / "content"
                with path.open("wb") as copy:
                    shutil.copyfileobj(content, copy, 1 << 20)
                yield path

    @contextmanager
    def _opened_raw(self, standard_input: BinaryIO) -> Iterator[io.BufferedReader]:
        if self.name == STANDARD_INPUT:
            buffered = _buffered(standard_input)
            try:
                yield buffered
            finally:
                buffered.detach()  # it is not ours to close
            return
        try:
            file = _buffered(Path(self.name).open("rb", buffering=0))  # noqa: SIM115 - closed below
        except OSError as error:
            raise SldbError("bad_request", f"{self.name} cannot be read: {error.strerror or error}") from error
        with file:
            size = Path(self.name).stat().st_size
            self.size_bytes = size if Path(self.name).is_file() else None  # a pipe has no size
            self._raw = file
            yield file

    def _guess(self, start: bytes) -> str:
        for magic, name in _MAGIC.items():
            if start.startswith(magic):
                return name
        if found := file_formats.input_format(self.name, FORMATS):
            return found
        text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text.startswith((b"[", b"{")):
            return "jsonl" if text.startswith(b"{") and not _goes_on(text.splitlines()[0]) else "json"
        if _SQL.match(text):
            return "sql"
        first_line = text.partition(b"\n")[0]
        return "tsv" if b"\t" in first_line and b"," not in first_line else "csv"


def _goes_on(line: bytes) -> bool:
    """Return True if the line begins a JSON document of several lines, or has several documents."""
    text = line.decode(errors="replace").rstrip()
    try:
        _, end = json.JSONDecoder().raw_decode(text)
        return text[end:].lstrip().startswith("{")
    except json.JSONDecodeError as error:
        return error.pos >= len(text) and len(line) < _PEEK_BYTES // 2
    except (ValueError, RecursionError):
        return False


class _Decompressed(io.RawIOBase):
    """The content of compressed data; damage is a `bad_request`."""

    def __init__(self, raw: BinaryIO, kind: str, shown: str) -> None:
        self._content = compression.reader(raw, kind)
        self._what = f"{shown}: damaged {kind} data"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            data = self._content.read(len(view))
        except compression.errors() as error:
            raise SldbError("bad_request", f"{self._what} ({error})", applied="no") from error
        view[: len(data)] = data
        return len(data)


def _buffered(raw: io.RawIOBase | BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, raw), 1 << 18)
