"""Files into tables, all or nothing.

What fits into one request is one request. Anything larger goes in batches into a database of its own (staging), from
which one transaction copies all of it to where it belongs; then that database is dropped. So nobody sees half an
import, and one that was stopped goes on where it was when the same command is run again: the batches are the same, and
their digests tell whether the data is.

Exactly once: the last step names the transaction that it builds on, and is noted before it is tried. Found again, the
note says in which transaction to look whether it was applied.
"""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client
from sldb.report import count, duration
from sldb.transfer.batches import BATCH_BYTES, Batch, Batches
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.stream import Stream
from sldb.transfer.formats.tables import Reading, read
from sldb.transfer.loader import Landing, Loaded, Mode
from sldb.transfer.staging import Earlier, Note, Staging

MOST_ROWS = 50_000  # of a batch
_COMMIT_TRIES = 20
_PASSING = ("store_error", "lock_timeout", "conflict", "query_timeout", "internal")  # another try may fare better


@dataclass(frozen=True, slots=True)
class Plan:
    """What to import, and how."""

    inputs: tuple[str, ...]
    reading: Reading = field(default_factory=Reading)
    mode: Mode = field(default_factory=Mode)
    batch_rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Done:
    rows: int  # that were read
    changed: int  # that were inserted or, by an upsert, updated
    tables: tuple[str, ...]
    made: tuple[str, ...]  # those of the tables that were not there before
    bad: BadRows
    txid: int
    resumed_rows: int  # of an earlier run
    was_done: bool = False  # an earlier run had done it all; it only was not told


@dataclass(slots=True)
class Progress:
    rows: int = 0
    bytes_read: int = 0
    bytes_total: int | None = None
    is_copying: bool = False


class _OtherData(Exception):
    """What an earlier run left is of other data."""


def run(
    client: Client, plan: Plan, standard_input: BinaryIO, progress: Callable[[Progress], None] = lambda _: None
) -> Done:
    """Raises SldbError, and then nothing was applied unless it says otherwise; `details["staging"]` names the database
    that an interrupted import goes on from."""
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


def sentences(done: Done, seconds: float) -> Iterator[str]:
    """What was done, for people: what was left out, and then one line in sum."""
    for where in done.bad.told:
        yield f"left out: {where}"
    if done.bad.count > len(done.bad.told):
        yield f"left out: {done.bad.count - len(done.bad.told):,} more"
    tables = ", ".join(f"{table} (new)" if table in done.made else table for table in done.tables)
    parts = [f"{count(done.changed, 'row')} into {tables}"]
    if done.was_done:
        parts = [f"{count(done.rows, 'row')} into {tables}: an earlier run had done it"]
    elif done.resumed_rows:
        parts.append(f"{done.resumed_rows:,} of them sent earlier")
    if refused := max(0, done.rows - done.changed) * (not done.was_done):
        parts.append(f"{refused:,} refused by constraints")
    rate = f" ({done.rows / seconds:,.0f} rows/s)" if seconds > 1 else ""
    yield " · ".join([*parts, duration(seconds * 1000) + rate, f"txid {done.txid}"])


def _staging_name(client: Client, plan: Plan) -> str:
    """The same for the same import on the same machine."""
    files = [name if name == STANDARD_INPUT else str(Path(name).absolute()) for name in plan.inputs]
    what = [platform.node(), client.database, files, repr(plan.reading), repr(plan.mode), plan.batch_rows]
    return "import-" + hashlib.sha256(json.dumps(what).encode()).hexdigest()[:20]


class _Import:
    def __init__(self, client: Client, plan: Plan, standard_input: BinaryIO, tell: Callable[[Progress], None]) -> None:
        self._client = client
        self._plan = plan
        self._staging = Staging(client, _staging_name(client, plan))
        self._standard_input = standard_input
        self._tell = tell
        self._progress = Progress()
        self._loaded: list[Loaded] = []  # what has been read so far, by table
        self._held: list[tuple[int, Batch]] = []  # until it is known whether one request is enough
        self._is_staged = False
        self._batches = 0
        self._digest = ""
        self._earlier = Earlier(0, 0, "")  # what an earlier run has staged

    def run(self) -> Done:
        try:
            return self._run()
        except SldbError as error:
            if self._is_staged:
                self._keep_or_drop(error)
            raise

    def _keep_or_drop(self, error: SldbError) -> None:
        """What is staged serves another try, unless the data is to blame."""
        if error.code in _PASSING:
            error.details["staging"] = self._staging.name
        else:
            self._staging.drop()

    def _run(self) -> Done:
        bad = BadRows(self._plan.mode.skip)
        for name in self._plan.inputs:
            source = Input(name)
            with closing(read(source, self._plan.reading, bad, self._standard_input)) as streams:
                for stream in streams:
                    self._read(source, stream)
        landing = Landing(self._client, self._plan.mode, self._loaded)
        self._progress.is_copying = True
        self._tell(self._progress)
        landing.begin()
        if not self._is_staged:
            txid, was_done = landing.land(_by_table(self._held)), False
        else:
            txid, was_done = self._copy(landing)
            self._staging.drop()
        return Done(
            self._progress.rows,
            landing.changed,
            tuple(dict.fromkeys(loaded.stream.table for loaded in self._loaded)),
            landing.made,
            bad,
            txid,
            self._earlier.rows,
            was_done,
        )

    def _read(self, source: Input, stream: Stream) -> None:
        """All rows of a stream, kept for one request or staged."""
        place = len(self._loaded)
        loaded = Loaded(stream)
        self._loaded.append(loaded)
        rows = (values for _, values in stream.rows)
        for batch in Batches(rows, self._plan.batch_rows, self._digest):
            self._digest = batch.digest
            loaded.see(batch.rows)
            self._progress.rows += len(batch.rows)
            self._progress.bytes_read, self._progress.bytes_total = source.position_bytes, source.size_bytes
            self._take(place, len(stream.columns), batch)
            self._tell(self._progress)

    def _take(self, place: int, width: int, batch: Batch) -> None:
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
        self._earlier = self._staging.earlier()
        for place, batch in self._held:
            self._stage(place, max(map(len, batch.rows)), batch)
        self._held.clear()

    def _stage(self, place: int, width: int, batch: Batch) -> None:
        self._batches += 1
        if self._batches <= self._earlier.batches:
            if self._batches == self._earlier.batches and batch.digest != self._earlier.digest:
                raise _OtherData
            self._staging.seen(place, width)
            return
        self._staging.add(self._batches, place, width, batch)

    def _copy(self, landing: Landing) -> tuple[int, bool]:
        """The last step. The transaction, and whether an earlier run has done it."""
        if self._batches < self._earlier.batches:
            raise _OtherData
        noted = self._staging.noted()
        if noted is not None and self._was_applied(noted):
            return noted.before + 1, True
        # Of this import alone: the same file may well be imported twice.
        request_id = noted.request_id if noted else f"{self._staging.name}-{uuid.uuid4().hex}"
        for tries_left in reversed(range(_COMMIT_TRIES)):
            before = landing.look()
            self._staging.note(Note(request_id, before))
            try:
                return landing.land_staged(self._staging.name, before, request_id), False
            except SldbError as error:
                if error.code != "conflict" or not tries_left:
                    raise
        raise AssertionError  # the last try returns or raises

    def _was_applied(self, note: Note) -> bool:
        """Whether the noted request is the transaction after the one that it builds on."""
        asked = Statement("SELECT 1 FROM _sldb_requests WHERE id = ?", (note.request_id,))
        try:
            return bool(self._client.execute(Request((asked,), at=note.before + 1, read_only=True)).rows)
        except SldbError as error:
            if error.code == "not_found" or error.details.get("reason") == "no_such_table":
                return False
            raise


def _by_table(held: list[tuple[int, Batch]]) -> dict[int, list[Batch]]:
    by_table: dict[int, list[Batch]] = {}
    for place, batch in held:
        by_table.setdefault(place, []).append(batch)
    return by_table
