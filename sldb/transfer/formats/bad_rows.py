"""Bad rows of a file: their places, and the reaction: stop, or leave the row out and count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lambda_handlers.wire import SldbError
from sldb.transfer.files import recoding

SKIP_HINT = "--on-error skip leaves such rows out"
_MAX_MESSAGES = 5
_CHUNK_BYTES = 1 << 18


class BadRows:
    """The reaction to rows that cannot be read. `hint`: of the error, for the first one."""

    def __init__(self, skip: bool, hint: str = SKIP_HINT) -> None:
        self.skip = skip
        self._hint = hint
        self.count = 0
        self.messages: list[str] = []  # of the first few rows

    def report(self, name: str, line: int, column: int, message: str, text: str | bytes | None = None) -> None:  # noqa: ARG002 - of those that keep it
        """Count the row as left out, or raise `bad_request`. `text`: the row as it is in the input, if it is text."""
        where = f"{name}:{line}:{column}: {message}"
        if not self.skip:
            raise SldbError("bad_request", where, self._hint, applied="no")
        self.count += 1
        if len(self.messages) < _MAX_MESSAGES:
            self.messages.append(where)


def lines(content: BinaryIO, name: str, encoding: str, bad: BadRows) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers and their line ends: LF, CR LF, or CR. A line that is not text is a bad row.
    The encoding contains ASCII (`files.recoding`)."""
    for number, raw in enumerate(_raw_lines(content), start=1):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            column = len(raw[: error.start].decode(encoding, "replace")) + 1
            bad.report(name, number, column, f"not {_described(encoding, raw[error.start])}; see --encoding", raw)
            continue
        if number > 1:
            yield number, line
        elif text := line.removeprefix("\ufeff"):  # a file of nothing but a byte order mark is empty
            yield number, text


def _described(encoding: str, byte: int) -> str:
    if byte == recoding.NO_TEXT:
        return "text in its encoding"
    return f"{encoding} text (byte {byte:#04x})"


def _raw_lines(content: BinaryIO) -> Iterator[bytes]:
    waiting: list[bytes] = []  # the beginning of a line
    while chunk := content.read(_CHUNK_BYTES):
        if waiting and waiting[-1].endswith(b"\r"):  # it ends there, or with the LF that may come
            chunk = waiting.pop() + chunk
        found = chunk.splitlines(keepends=True)  # of bytes: no other line ends
        if len(found) == 1 and not chunk.endswith(b"\n"):
            waiting.append(chunk)
            continue
        waiting.append(found[0])
        yield b"".join(waiting)
        yield from found[1:-1]
        waiting.clear()
        if len(found) > 1:
            last = found[-1]
            if last.endswith(b"\n"):
                yield last
            else:
                waiting.append(last)
    if waiting:
        yield b"".join(waiting)
