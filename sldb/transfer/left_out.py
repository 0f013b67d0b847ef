"""The rows that an import leaves out, whatever refused them, or the error of the first one if it is to stop there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.transfer import rejects
from sldb.transfer.formats.bad_rows import SKIP_HINT, BadRows
from sldb.transfer.loaded_stream import LoadedStream, Refusal
from sldb.transfer.loader import Loader
from sldb.transfer.refused_rows import RefusedRows, Source
from sldb.transfer.rejects import RejectsFile, SecondReading


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The rows that are not in the tables."""

    count: int = 0
    messages: tuple[str, ...] = ()  # of the first few, with their places
    file: str | None = None  # that has them


class LeftOutRows:
    """The rows left out so far. `loaded` grows while the inputs are read. `file`: for `--rejects`."""

    def __init__(
        self, bad: BadRows, loaded: Sequence[LoadedStream], again: SecondReading, file: RejectsFile | None
    ) -> None:
        self._bad = bad
        self._loaded = loaded
        self._again = again
        self._file = file

    def begin_stream(self) -> None:
        """Raise `bad_request` if rows of the newest stream cannot stand in the file with those of the first."""
        if self._file is not None:
            rejects.check_layouts(self._loaded)

    def add(self, refused: Sequence[Refusal], error: SldbError | None = None) -> None:
        """Leave the rows out. Raises SldbError with the place of the first if the import is to stop at bad rows."""
        if refused and not self._bad.skip:
            [message] = rejects.shown(self._again, self._loaded, refused[:1])
            if error is None:
                raise SldbError("bad_request", message, SKIP_HINT, applied="no")
            hint = " · ".join(filter(None, (error.hint, SKIP_HINT)))
            raise SldbError(error.code, message, hint, **{"applied": "no"} | error.details) from error
        for each in refused:
            self._loaded[each.place].refused[each.row] = each

    def add_refused(self, error: SldbError, client: Client, loader: Loader, source: Source) -> None:
        """Leave out the rows that the error of the last step is about. Raises the error if it is about none."""
        found = RefusedRows(client, loader, self._loaded, source).find(error, only_first=not self._bad.skip)
        if not found:
            raise error
        self.add(found, error)

    def refused(self) -> list[Refusal]:
        """Return those that were read, in their order."""
        return [loaded.refused[row] for loaded in self._loaded for row in sorted(loaded.refused)]

    def write_file(self) -> None:
        """Write all of them to the file, which gets its name by `finish`."""
        if self._file is not None and (self._bad.count or any(loaded.refused for loaded in self._loaded)):
            self._file.write(self._loaded)

    def finish(self) -> LeftOut:
        """Return all of them, once the import is done."""
        refused = self.refused()
        messages = (*self._bad.messages, *rejects.shown(self._again, self._loaded, refused[: rejects.MAX_SHOWN]))
        path = None if self._file is None else self._file.finish()
        return LeftOut(self._bad.count + len(refused), messages, path)

    def close(self) -> None:
        """Leave no unfinished file behind."""
        self._again.close()
        if self._file is not None:
            self._file.discard()
