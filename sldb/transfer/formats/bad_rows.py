"""Bad rows of a file: their places, and the reaction: stop, or leave the row out and count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lambda_handlers.wire import SldbError

_MAX_MESSAGES = 5


class BadRows:
    """The reaction to rows that cannot be read."""

    def __init__(self, skip: bool) -> None:
        self._skip = skip
        self.count = 0
        self.messages: list[str] = []  # of the first few rows

    def report(self, name: str, line: int, column: int, message: str) -> None:
        """Count the row as left out, or raise `bad_request`."""
        where = f"{name}:{line}:{column}: {message}"
        if not self._skip:
            raise SldbError("bad_request", where, "--on-error skip leaves such rows out", applied="no")
        self.count += 1
        if len(self.messages) < _MAX_MESSAGES:
            self.messages.append(where)


def lines(content: BinaryIO, name: str, encoding: str, bad: BadRows) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, without the \\n at the end. A line that is not text is a bad row."""
    for number, raw in enumerate(_raw_lines(content, encoding), start=1):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            column = len(raw[: error.start].decode(encoding, "replace")) + 1
            bad.report(name, number, column, f"not {encoding} text (byte {raw[error.start]:#04x}); see --encoding")
            continue
        if number == 1:
            line = line.removeprefix("\ufeff")
        yield number, line.removesuffix("\n")


def _raw_lines(content: BinaryIO, encoding: str) -> Iterator[bytes]:
    if not encoding.lower().startswith(("utf-16", "utf16", "utf-32", "utf32")):
        yield from content
        return
    import io

    for line in io.TextIOWrapper(content, encoding, newline="\n"):
        yield line.encode(encoding)
