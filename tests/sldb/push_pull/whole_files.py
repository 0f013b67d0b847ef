"""Whole files pushed to a local database and pulled from it in one line, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.progress.protocol import Silent
from sldb.push_pull.direct import DirectTransport
from sldb.push_pull.pull import Pull
from sldb.push_pull.push import Push
from sldb.push_pull.source import open_source
from sldb.targets.local import LocalTarget


def push(client: Client, file: Path, if_txid: int | None = None, check: bool = True) -> dict[str, Any]:
    """Push a file into a local database."""
    assert isinstance(client.target, LocalTarget)
    transport = DirectTransport(client.database, client.target.open_store)
    with open_source(file, check) as source:
        return Push(client, transport, Silent(), Host()).run(source, if_txid, lambda _begun: None)


def pull(client: Client, out: Path, at: int | str | None = None, **options: bool) -> dict[str, Any]:
    """Pull a local database into a file."""
    assert isinstance(client.target, LocalTarget)
    transport = DirectTransport(client.database, client.target.open_store)
    one = Pull(client, transport, Silent(), Host(), is_local=True)
    return one.run(out, at, **{"replace": False, "check": True, **options})


def rows(client: Client, query: str, **fields: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return client.execute(Request((Statement(query),), **fields)).rows


def tables(client: Client) -> list[str]:
    """Return the names of the tables."""
    names = [row[0] for row in rows(client, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [name for name in names if not name.startswith("_sldb_")]
