"""The download of a log's files: in ranges, several at once, and kept beside the result until it is complete.

An interrupted pull continues from the kept bytes. Those of a file that arrives within seconds are not kept: to write
them costs as much processor time as the line saves. A file of a log never changes under its name, but a file of
the same name may have been created again with other bytes; the decoder finds it by the file's checksum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lambda_handlers.host import Call, Host
from sldb.push_pull.transport import Transport

RANGE_BYTES = 8 << 20
RANGES_IN_FLIGHT = 4
KEPT_SECONDS = 10.0  # a file that arrives faster is not kept


@dataclass(frozen=True, slots=True)
class LogFile:
    name: str  # as in the reply to `pull`
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Downloader:
    """The downloads of one pull. `directory`: of the kept files; None: nothing is kept."""

    transport: Transport
    host: Host
    directory: Path | None

    def chunks(self, file: LogFile) -> Iterator[bytes]:
        """Yield the file from its beginning, first the kept bytes. Raises FileVanished, SldbError, OSError."""
        if self.directory is None:
            yield from self._download(file, 0)
            return
        with self._path(file).open("a+b") as kept:
            kept.seek(0)
            kept_bytes = 0
            while chunk := kept.read(RANGE_BYTES):
                kept_bytes += len(chunk)
                yield chunk
            downloaded, began = self._download(file, kept_bytes), self.host.now()
            first = next(downloaded, b"")
            is_kept = kept_bytes > 0 or self._is_slow(file, self.host.now() - began)
            for chunk in chain((first,), downloaded):
                if is_kept:
                    kept.write(chunk)
                yield chunk

    @staticmethod
    def _is_slow(file: LogFile, first_seconds: float) -> bool:
        """Return True if a file is worth keeping, from the time until its first range arrived, with those beside it."""
        rounds = max(1.0, file.size / (RANGE_BYTES * RANGES_IN_FLIGHT))
        return first_seconds * rounds >= KEPT_SECONDS

    def discard(self, except_for: tuple[LogFile, ...] = ()) -> None:
        """Remove the kept bytes of all files except these."""
        if self.directory is None:
            return
        wanted = {self._path(file) for file in except_for}
        for path in self.directory.glob("*.kept"):
            if path not in wanted:
                with suppress(FileNotFoundError):
                    path.unlink()

    def kept_bytes(self, file: LogFile) -> int:
        """Return the number of kept bytes of a file."""
        if self.directory is None or not self._path(file).exists():
            return 0
        return self._path(file).stat().st_size

    def _path(self, file: LogFile) -> Path:
        assert self.directory is not None
        return self.directory / f"{file.name.replace('/', '-')}.{file.size}.kept"

    def _download(self, file: LogFile, start: int) -> Iterator[bytes]:
        in_flight: deque[Call] = deque()
        for begin in range(start, file.size, RANGE_BYTES):
            length = min(RANGE_BYTES, file.size - begin)
            in_flight.append(self.host.start(lambda begin=begin, length=length: self._read(file, begin, length)))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            if len(in_flight) >= RANGES_IN_FLIGHT:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()

    def _read(self, file: LogFile, begin: int, length: int) -> bytes:
        return self.transport.read(file.name, begin, length)
