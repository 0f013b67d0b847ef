"""Text in UTF-16 and UTF-32, as UTF-8: the readers find lines and quotes in encodings that contain ASCII.

A byte order mark at the beginning is enough to know it; without one the user names the encoding.
"""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO

from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# The longer marks first: that of UTF-32 begins with one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARK_BYTES = 4
_CHUNK_BYTES = 1 << 18


def check_encoding(name: str) -> None:
    """Raise `bad_request` if there is no such encoding."""
    try:
        codecs.lookup(name)
    except LookupError:
        raise SldbError("bad_request", f"no such encoding: {name}") from None


def wide_encoding(first_bytes: bytes, encoding: str) -> str | None:
    """Return the encoding of a text in UTF-16 or UTF-32; None for any other. `encoding`: the user's choice."""
    name = codecs.lookup(encoding).name
    if name.startswith(("utf-16", "utf-32")):
        return name
    return next((wide for mark, wide in _MARKS if first_bytes.startswith(mark)), None)


class AsUtf8(io.RawIOBase):
    """The text in UTF-8. Raises `bad_request` at bytes that are no text."""

    def __init__(self, raw: BinaryIO, encoding: str, shown: str) -> None:
        self._raw = raw
        self._encoding = encoding
        self._shown = shown
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._line = 1
        self._waiting = b""
        self._is_complete = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        while not self._waiting and not self._is_complete:
            data = self._raw.read(_CHUNK_BYTES)
            self._is_complete = not data
            self._waiting = self._decoded(data).encode()
        data, self._waiting = self._waiting[: len(view)], self._waiting[len(view) :]
        view[: len(data)] = data
        return len(data)

    def _decoded(self, data: bytes) -> str:
        try:
            text = self._decoder.decode(data, final=self._is_complete)
        except UnicodeDecodeError as error:
            good = bytes(error.object[: error.start]).decode(error.encoding, "replace")
            where = f"{self._shown}:{self._line + good.count(chr(10))}"
            raise SldbError(
                "bad_request", f"{where}: not {self._encoding} text; see --encoding", applied="no"
            ) from error
        self._line += text.count("\n")
        return text
