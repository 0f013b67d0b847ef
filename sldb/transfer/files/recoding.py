"""Text in UTF-16, UTF-32 and EBCDIC, as UTF-8: the readers find lines and quotes in encodings that contain ASCII.

Bytes that are no text become a byte that UTF-8 does not have, so that the reader refuses the row.

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
NO_TEXT = 0xFE  # a byte that UTF-8 does not have
_ASCII = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_CHUNK_BYTES = 1 << 18


def check_encoding(name: str) -> None:
    """Raise `bad_request` if there is no such encoding of text."""
    try:
        _ASCII.decode(name, "replace")
    except (LookupError, UnicodeError):  # hex is no encoding of text, `undefined` refuses all of it
        raise SldbError("bad_request", f"no such encoding: {name}") from None


def wide_encoding(first_bytes: bytes, encoding: str) -> str | None:
    """Return the encoding of a text if it does not contain ASCII; None for any other. `encoding`: the user's choice."""
    if _ASCII.decode(encoding, "replace") != _ASCII.decode():
        return codecs.lookup(encoding).name
    return next((wide for mark, wide in _MARKS if first_bytes.startswith(mark)), None)


class AsUtf8(io.RawIOBase):
    """The text in UTF-8, with a byte that is none for bytes that are no text."""

    def __init__(self, raw: BinaryIO, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)(_HANDLER)
        self._waiting = b""
        self._is_complete = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        while not self._waiting and not self._is_complete:
            data = self._raw.read(_CHUNK_BYTES)
            self._is_complete = not data
            self._waiting = self._decoder.decode(data, final=self._is_complete).encode(errors="surrogateescape")
        data, self._waiting = self._waiting[: len(view)], self._waiting[len(view) :]
        view[: len(data)] = data
        return len(data)


def _no_text(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return chr(0xDC00 + NO_TEXT), error.end  # encoded as that byte


_HANDLER = "sldb-no-text"
codecs.register_error(_HANDLER, _no_text)
