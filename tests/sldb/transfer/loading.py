"""Statements and imports in one line, for the tests of imports."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from lambda_handlers.wire import Request, Statement, Value
from sldb.client import Client
from sldb.transfer.formats.tables import ReadOptions
from sldb.transfer.importing import Plan, run
from sldb.transfer.loader import Mode
from sldb.transfer.outcome import Outcome

PEOPLE = 'id,name,zip\n1,Ada,01234\n2,Grace,\n3,"",5\n'


def rows(client: Client, query: str) -> list[tuple[Value, ...]]:
    """Return the rows of a query."""
    return client.execute(Request((Statement(query),), read_only=True)).rows


def write(client: Client, *queries: str) -> None:
    """Run statements in one transaction."""
    client.execute(Request(tuple(map(Statement, queries))))


def load(
    client: Client,
    *files: Path | str,
    batch_rows: int = 50_000,
    stdin: bytes = b"",
    rejects: str | None = None,
    **options: Any,
) -> Outcome:
    """Import files with the fields of ReadOptions and Mode as options."""
    reading = ReadOptions(
        **{name: options.pop(name) for name in list(options) if name in ReadOptions.__dataclass_fields__}
    )
    return run(client, Plan(tuple(map(str, files)), reading, Mode(**options), batch_rows, rejects), io.BytesIO(stdin))
