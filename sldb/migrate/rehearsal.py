"""The rehearsal: all pending migrations on a branch of the database, to see their effect on schema and numbers of rows.

The branch is created for it and dropped afterwards in any case. The real database is only read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.database_creation import DatabaseCreation
from sldb.diff.comparison import Change, Comparison
from sldb.diff.schema import Schema, State, decode_schema, schema_request
from sldb.migrate import runner

OURS = (runner.VERSIONS, runner.FILES)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    branch: str
    begins_at: int  # txid of the branch before the first migration


@contextmanager
def rehearsal_branch(client: Client) -> Iterator[tuple[Client, Rehearsal]]:
    """Yield a client of a temporary branch of the client's database; empty if the database does not exist yet."""
    name = f"rehearsal-{uuid.uuid4().hex[:12]}"
    there = replace(client, database=name, creation=DatabaseCreation())
    try:
        yield there, Rehearsal(name, _begin(client, there))
    finally:
        _drop(there)


def _drop(there: Client) -> None:
    try:
        there.act("drop_database")
    except SldbError as error:
        if error.code != "not_found":  # it was never created
            raise


def _begin(client: Client, there: Client) -> int:
    try:
        txid: int = client.act("branch", **{"as": there.database})["txid"]
    except SldbError as error:
        if error.code != "not_found":
            raise
        txid = there.act("create_database")["txid"]
    return txid


def changes(there: Client, rehearsal: Rehearsal) -> list[Change]:
    """Return the changes since the branch was created, except in our own tables."""
    before, after = (_schema(there, rehearsal, at) for at in (rehearsal.begins_at, None))
    comparison = Comparison(before, after)
    if before.txid == after.txid:
        return []
    counts = there.execute(comparison.count_request())
    return [change for change in comparison.changes(counts.results) if change.name not in OURS]


def _schema(there: Client, rehearsal: Rehearsal, at: int | None) -> Schema:
    return decode_schema(there.execute(schema_request(State(rehearsal.branch, at))))
