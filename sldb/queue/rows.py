"""The rows of files as requests of bounded size, for `sldb import --enqueue`.

Rows are added to tables that exist: the messages run one by one, so that no transaction can make a table and fill it.
Each message is one INSERT of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client
from sldb.queue.messages import MAX_BODY_BYTES, Outgoing, body_of, message_of
from sldb.transfer.batches import Batch
from sldb.transfer.files.input import Input
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.stream import Stream, Values
from sldb.transfer.formats.tables import read
from sldb.transfer.importing import Plan
from sldb.transfer.loaded_stream import LoadedStream
from sldb.transfer.loader import Loader

_ROW_BYTES = 100_000  # of a message at first, as its rows are measured
_FIRST_ROWS = 100


def messages(client: Client, plan: Plan, standard_input: BinaryIO) -> Iterator[Outgoing]:
    """Yield the messages with the rows of the inputs, in their order. Raises SldbError."""
    prefix, count = f"import-{uuid.uuid4().hex}", 0
    bad = BadRows(plan.mode.skip)
    for name in plan.inputs:
        source = Input(name)
        with closing(read(source, plan.reading, bad, standard_input)) as streams:
            for stream in streams:
                for request in _requests(client, plan, stream, bad):
                    count += 1
                    yield message_of(replace(request, request_id=f"{prefix}-{count:06d}"))


def _requests(client: Client, plan: Plan, stream: Stream, bad: BadRows) -> Iterator[Request]:
    loaded = LoadedStream(stream)
    loader = Loader(client, plan.mode, [loaded])
    loader.read_tables()
    if not loader.has_table(stream.table):
        raise SldbError(
            "not_found",
            f"there is no table {stream.table}, and messages of rows make none",
            "create it first, or leave --enqueue out",
            applied="no",
        )
    rows: list[Values] = []
    for row in loaded.rows(plan.mode.upsert, bad):
        rows.append(row)
        if len(rows) == min(plan.batch_rows, _FIRST_ROWS):
            yield from _split(client, loader, loaded, rows)
            rows = []
    if rows:
        yield from _split(client, loader, loaded, rows)


def _split(client: Client, loader: Loader, loaded: LoadedStream, rows: list[Values]) -> Iterator[Request]:
    """Yield the requests for some rows: one, or as many as their size takes."""
    loaded.note_types(rows)
    statements = tuple(loader.statements(lambda place: loader.inserts(place, [Batch(rows, 0, "")])))
    note = client.note
    request = Request(
        _only(statements), client.database, create=False, message=note.message or None, command=note.command or None
    )
    size = len(body_of(request.encode()).encode())
    if size <= MAX_BODY_BYTES // 2 or len(rows) == 1:
        yield request
        return
    middle = len(rows) // 2
    yield from _split(client, loader, loaded, rows[:middle])
    yield from _split(client, loader, loaded, rows[middle:])


def _only(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    return tuple(each for each in statements if isinstance(each, Statement))
