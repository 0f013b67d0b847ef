"""The import: files into tables, all or nothing.

An import that fits into one request is one request. A larger one goes in batches into a database of its own (staging);
then one transaction copies all rows to their tables, and that database is dropped. So no client sees half an import,
and an interrupted one continues when the same command is run again: the batches are the same, and their digests show if
the data is too.

Exactly once: the last step is conditional on the transaction before it, and is noted before it is tried. A later run
that finds the note checks if the transaction after the noted one is the import.
"""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.progress.protocol import SILENT, Progress
from sldb.report import count
from sldb.transfer.batches import BATCH_BYTES, Batch, Batches
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.stream import Stream
from sldb.transfer.formats.tables import ReadOptions, read
from sldb.transfer.interruption import ImportApplied, ImportInDoubt
from sldb.transfer.left_out import LeftOutRows
from sldb.transfer.loaded_stream import LoadedStream, Refusal
from sldb.transfer.loader import Loader, Mode
from sldb.transfer.outcome import Outcome
from sldb.transfer.refused_rows import direct_source, staged_source
from sldb.transfer.rejects import RejectsFile, SecondReading
from sldb.transfer.staging import EarlierProgress, Note, Staging

MAX_ROWS = 50_000  # of a batch
_COMMIT_TRIES = 20
_STAGING_FORMAT = 2  # imports begun by a version with another one begin anew
# Another try may succeed.
_TRANSIENT = ("store_error", "lock_timeout", "conflict", "query_timeout", "cancelled", "internal")


@dataclass(frozen=True, slots=True)
class Plan:
    """The inputs and options of an import."""

    inputs: tuple[str, ...]
    reading: ReadOptions = field(default_factory=ReadOptions)
    mode: Mode = field(default_factory=Mode)
    batch_rows: int = MAX_ROWS
    rejects: str | None = None  # the file for the rows that are left out


class _OtherData(Exception):
    """The rows staged by an earlier run are of other data."""


def run(client: Client, plan: Plan, standard_input: BinaryIO, progress: Progress = SILENT) -> Outcome:
    """Import the inputs. Raises SldbError; then nothing was applied unless it says otherwise.

    `details["staging"]` of the error names the database from which an interrupted import continues.
    """
    try:
        return _Import(client, plan, standard_input, progress).run()
    except _OtherData:
        Staging(client, _staging_name(client, plan)).drop()
    if STANDARD_INPUT in plan.inputs:
        raise SldbError(
            "conflict",
            "an earlier import from standard input was stopped, and had other data",
            "run it again",
            applied="no",
        )
    return _Import(client, plan, standard_input, progress).run()


def _staging_name(client: Client, plan: Plan) -> str:
    """Return a name that is the same for the same import on the same machine."""
    files = [name if name == STANDARD_INPUT else str(Path(name).absolute()) for name in plan.inputs]
    what = [
        _STAGING_FORMAT,
        platform.node(),
        client.database,
        files,
        repr(plan.reading),
        repr(plan.mode),
        plan.batch_rows,
    ]
    return "import-" + hashlib.sha256(json.dumps(what).encode()).hexdigest()[:20]


class _Import:
    def __init__(self, client: Client, plan: Plan, standard_input: BinaryIO, progress: Progress) -> None:
        self._client = client
        self._plan = plan
        self._staging = Staging(client, _staging_name(client, plan))
        self._standard_input = standard_input
        self._progress = progress
        self._rows = 0
        self._source: Input | None = None  # the one that is read
        self._position_bytes = 0  # in it
        self._loaded: list[LoadedStream] = []  # the streams read so far
        self._held: list[tuple[int, Batch]] = []  # until it is known if one request is enough
        self._is_staged = False
        self._batches = 0
        self._digest = ""
        self._earlier = EarlierProgress(0, 0, "")  # staged by an earlier run
        self._bad = BadRows(plan.mode.skip)
        again = SecondReading(plan.inputs, plan.reading, plan.mode.upsert, standard_input)
        file = RejectsFile(Path(plan.rejects), again) if plan.rejects is not None else None
        if file is not None and STANDARD_INPUT in plan.inputs:
            self._standard_input = again.keep_standard_input()
        self._left_out = LeftOutRows(self._bad, self._loaded, again, file)

    def run(self) -> Outcome:
        try:
            return self._run()
        except ImportApplied:
            self._left_out.finish()
            if self._is_staged:
                self._staging.drop()
            raise
        except TooLate as late:  # a part was staged, and the rest was not
            raise KeyboardInterrupt from late
        except ImportInDoubt:
            self._left_out.finish()  # the rows may be left out
            raise
        except SldbError as error:
            if error.details.get("applied") == "unknown":
                self._left_out.finish()
            if self._is_staged:
                self._keep_or_drop(error)
            raise
        finally:
            self._left_out.close()

    def _keep_or_drop(self, error: SldbError) -> None:
        """Keep the staged rows for another try, unless the data caused the error."""
        if error.code in _TRANSIENT:
            error.details["staging"] = self._staging.name
        else:
            self._staging.drop()

    def _run(self) -> Outcome:
        for name in self._plan.inputs:
            source = Input(name)
            with closing(read(source, self._plan.reading, self._bad, self._standard_input)) as streams:
                for stream in streams:
                    self._read(source, stream)
        loader = Loader(self._client, self._plan.mode, self._loaded)
        self._progress.begin(f"{'copying' if self._is_staged else 'inserting'} {count(self._rows, 'row')}")
        loader.prepare_database()
        if not self._is_staged:
            txid, was_done = self._load(loader), False
        else:
            txid, was_done = self._copy(loader)
            self._staging.drop()
        return Outcome(
            self._rows,
            loader.changed,
            tuple(dict.fromkeys(loaded.stream.table for loaded in self._loaded)),
            loader.made,
            self._left_out.finish(),
            txid,
            self._earlier.rows,
            was_done,
            loader.generated,
            loader.notes,
        )

    def _read(self, source: Input, stream: Stream) -> None:
        """Read all rows of a stream, and hold them for one request or stage them."""
        self._begin_input(source)
        place = len(self._loaded)
        loaded = LoadedStream(stream)
        self._loaded.append(loaded)
        self._left_out.begin_stream()
        rows = loaded.rows(self._plan.mode.upsert, self._bad)
        for batch in Batches(rows, self._plan.batch_rows, self._digest):
            self._digest = batch.digest
            loaded.note_types(batch.rows)
            self._rows += len(batch.rows)
            self._hold_or_stage(place, len(stream.columns), batch)
            self._report(source, len(batch.rows))

    def _begin_input(self, source: Input) -> None:
        """Report that the rows of an input are read now, unless they are already: it may have several streams."""
        if source is self._source:
            return
        self._source, self._position_bytes = source, 0
        sizes = {} if source.size_bytes is None else {"bytes": source.size_bytes}
        self._progress.begin(f"importing {source.shown}", rows=None, **sizes)

    def _report(self, source: Input, rows: int) -> None:
        """Report rows of the input as read, and sent if there are many."""
        self._progress.advance(rows=rows)
        if source.size_bytes is not None:
            before, self._position_bytes = self._position_bytes, source.position_bytes
            self._progress.advance(bytes=self._position_bytes - before)

    def _hold_or_stage(self, place: int, width: int, batch: Batch) -> None:
        if not self._is_staged:
            size = batch.size_bytes + sum(held.size_bytes for _, held in self._held)
            rows = len(batch.rows) + sum(len(held.rows) for _, held in self._held)
            if size <= BATCH_BYTES and rows <= self._plan.batch_rows:
                self._held.append((place, batch))
                return
            self._begin_staging()
        self._stage(place, width, batch)

    def _begin_staging(self) -> None:
        self._is_staged = True
        self._earlier = self._staging.earlier_progress()
        for place, batch in self._held:
            self._stage(place, max(map(len, batch.rows)), batch)
        self._held.clear()

    def _stage(self, place: int, width: int, batch: Batch) -> None:
        self._batches += 1
        if self._batches <= self._earlier.batches:
            if self._batches == self._earlier.batches and batch.digest != self._earlier.digest:
                raise _OtherData
            self._staging.skip(place, width)
            return
        try:
            self._staging.add(self._batches, place, width, batch)
        except SldbError as error:
            if error.code != "too_large" or len(batch.rows) > 1:
                raise
            refusal = Refusal(place, self._loaded[place].count, error.message)
            self._left_out.add([refusal], error)
            self._staging.add(self._batches, place, width, batch, refusal)

    def _load(self, loader: Loader) -> int:
        """Load all rows in one request; return the transaction."""
        batches = _by_table(self._held)
        for check in loader.cell_checks():
            rows = (row for batch in batches.get(check.place, ()) for row in batch.rows)
            self._left_out.add(check.refusals(rows))
        while True:
            self._left_out.write_file()
            try:
                return loader.load(batches)
            except SldbError as error:
                source = direct_source(self._loaded, batches)
                self._left_out.add_refused(error, self._client, loader, source)

    def _copy(self, loader: Loader) -> tuple[int, bool]:
        """Copy the staged rows to their tables; return the transaction, and if an earlier run has applied it."""
        if self._batches < self._earlier.batches:
            raise _OtherData
        self._left_out.add(self._staging.refused())
        noted = self._staging.read_note()
        if noted is not None and self._was_applied(noted):
            self._left_out.write_file()
            return noted.before + 1, True
        # Unique for this import: the same file may be imported twice on purpose.
        request_id = noted.request_id if noted else f"{self._staging.name}-{uuid.uuid4().hex}"
        for check in loader.cell_checks():
            self._left_out.add(self._staging.refused_by(check))
        tries_left = _COMMIT_TRIES
        while True:
            tries_left -= 1
            before = loader.read_tables()
            self._left_out.write_file()
            self._staging.write_note(Note(request_id, before), self._left_out.refused())
            try:
                return loader.load_staged(self._staging.name, before, request_id), False
            except SldbError as error:
                if error.code == "conflict" and tries_left:
                    continue
                source = staged_source(self._staging.name, self._loaded)
                self._left_out.add_refused(error, self._client, loader, source)

    def _was_applied(self, note: Note) -> bool:
        """Return True if the noted request is the transaction after the one named in the note."""
        find = Statement("SELECT 1 FROM _sldb_requests WHERE id = ?", (note.request_id,))
        try:
            return bool(self._client.execute(Request((find,), at=note.before + 1, read_only=True)).rows)
        except SldbError as error:
            if error.code == "not_found" or error.details.get("reason") == "no_such_table":
                return False
            raise


def _by_table(held: list[tuple[int, Batch]]) -> dict[int, list[Batch]]:
    by_table: dict[int, list[Batch]] = {}
    for place, batch in held:
        by_table.setdefault(place, []).append(batch)
    return by_table
