"""Where in a file something is wrong, and what is done about it: stop, or leave the row out and count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lambda_handlers.wire import SldbError

_TOLD = 5  # of the rows that were left out


class BadRows:
    """What to do about rows that cannot be read."""

    def __init__(self, skip: bool) -> None:
        self._skip = skip
        self.count = 0
        self.told: list[str] = []  # the first few

    def at(self, name: str, line: int, column: int, message: str) -> None:
        """Returns where the row is to be left out; raises `bad_request` where not."""
        where = f"{name}:{line}:{column}: {message}"
        if not self._skip:
            raise SldbError("bad_request", where, "--on-error skip leaves such rows out", applied="no")
        self.count += 1
        if len(self.told) < _TOLD:
            self.told.append(where)


def lines(content: BinaryIO, name: str, encoding: str, bad: BadRows) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without the \\n that ends them. A line that is no text is a bad row."""
    for number, raw in enumerate(_raw_lines(content, encoding), start=1):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            column = len(raw[: error.start].decode(encoding, "replace")) + 1
            bad.at(name, number, column, f"not {encoding} text (byte {raw[error.start]:#04x}); see --encoding")
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
