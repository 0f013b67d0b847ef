"""The first bytes of files that are no tables, whatever their name: workbooks, archives, documents."""

from __future__ import annotations

from lambda_handlers.wire import SldbError

_UNPACK = "unpack it, and import what is in it"
_SAVE = "save it as CSV, and import that"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_FOREIGN = (  # first bytes, what it is, the next step
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", _SAVE),  # before 2007
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xfd7zXZ\0", "compressed with xz", "unxz decompresses it (gzip and zstd need no such step)"),
    (b"%PDF-", "a PDF document", "import the data that it was made of"),
)
_BZIP2 = b"BZh"
_BZIP2_BLOCK = b"1AY&SY"  # after the digit of its level
_HTML = (b"<!doctype html", b"<html")
_TAR, _TAR_OFFSET = b"ustar", 257
_OF_ZIP = (  # in the first bytes of a zip archive
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet", _SAVE),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file", _SAVE),
    (b"word/", "a Word document", _SAVE),
    (b"xl/", "an Excel workbook", _SAVE),
    (b"[Content_Types].xml", "an Excel workbook", _SAVE),
)


def refuse_foreign(start: bytes, shown: str) -> None:
    """Raise `bad_request` for a file that begins like one of these."""
    if found := _kind(start):
        raise SldbError("bad_request", f"{shown} is {found[0]}", found[1], applied="no")


def _kind(start: bytes) -> tuple[str, str] | None:
    if start.startswith(_ZIP):
        return next(((kind, hint) for part, kind, hint in _OF_ZIP if part in start), ("a zip archive", _UNPACK))
    if start.startswith(_BZIP2) and start[4:10] == _BZIP2_BLOCK:
        return "compressed with bzip2", "bunzip2 decompresses it (gzip and zstd need no such step)"
    if start[_TAR_OFFSET : _TAR_OFFSET + len(_TAR)] == _TAR:
        return "a tar archive", _UNPACK
    if start[:200].removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_HTML):
        return "an HTML page", "the address may have answered with an error; curl --fail says so"
    return next(((kind, hint) for first, kind, hint in _FOREIGN if start.startswith(first)), None)
