"""The files of a log, read in ranges of which several are on their way, and kept beside the result while it is made.

A pull that was cut off finds what it has read; a file of a log never changes under its name, but one of the same name
may have been made anew with other bytes: the file's checksum, which whoever decodes it compares, tells.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lambda_handlers.host import Call, Host
from sldb.push_pull.transport import Carrier

RANGE_BYTES = 8 << 20
RANGES_IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class LogFile:
    name: str  # as `pull` names it
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Keeper:
    """`directory`: where what was read is kept; None: nowhere."""

    carrier: Carrier
    host: Host
    directory: Path | None

    def chunks(self, file: LogFile) -> Iterator[bytes]:
        """The file from its beginning, first what was read before. Raises Vanished, SldbError, OSError."""
        if self.directory is None:
            yield from self._download(file, 0)
            return
        with self._path(file).open("a+b") as kept:
            kept.seek(0)
            had = 0
            while chunk := kept.read(RANGE_BYTES):
                had += len(chunk)
                yield chunk
            for chunk in self._download(file, had):
                kept.write(chunk)
                yield chunk

    def forget(self, but: tuple[LogFile, ...] = ()) -> None:
        """Remove what was kept, of files other than these."""
        if self.directory is None:
            return
        wanted = {self._path(file) for file in but}
        for path in self.directory.glob("*.kept"):
            if path not in wanted:
                with suppress(FileNotFoundError):
                    path.unlink()

    def kept_bytes(self, file: LogFile) -> int:
        if self.directory is None or not self._path(file).exists():
            return 0
        return self._path(file).stat().st_size

    def _path(self, file: LogFile) -> Path:
        assert self.directory is not None
        return self.directory / f"{file.name.replace('/', '-')}.{file.size}.kept"

    def _download(self, file: LogFile, start: int) -> Iterator[bytes]:
        on_their_way: deque[Call] = deque()
        for begin in range(start, file.size, RANGE_BYTES):
            length = min(RANGE_BYTES, file.size - begin)
            on_their_way.append(self.host.start(lambda begin=begin, length=length: self._read(file, begin, length)))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            if len(on_their_way) >= RANGES_IN_FLIGHT:
                yield on_their_way.popleft().result()
        while on_their_way:
            yield on_their_way.popleft().result()

    def _read(self, file: LogFile, begin: int, length: int) -> bytes:
        return self.carrier.read(file.name, begin, length)
