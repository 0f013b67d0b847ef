"""Attempts of a client that may send requests, and their outcome."""

from __future__ import annotations

import pytest

from lambda_handlers.service import Service
from lambda_handlers.wire import SldbError
from tests.fakes.databases.service import run

SECRET = "wJalrXUtnFEMI-the-secret-key"
REFUSED = {"forbidden", "sql_error", "read_only", "bad_request", "not_found", "constraint"}
LOG = (
    "CREATE TABLE {0} (id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX {0}_by_age ON {0} (recorded_at);"
)


def tried(service: Service, query: str, **fields: object) -> object:
    """What came of an attempt that need not fail: the reply, or the error as it reaches the one who tried."""
    try:
        return run(service, query, **fields)
    except SldbError as error:
        if error.code not in REFUSED:
            raise
        return error.encode()


def refusal(service: Service, query: str, **fields: object) -> SldbError:
    """The error, once it is sure that nothing came of the attempt."""
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    unharmed(service)
    return caught.value


def unharmed(service: Service) -> None:
    """The next request is served as if nothing had been before it."""
    assert run(service, "SELECT * FROM t").rows == [(1, "x")]
    assert run(service, "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1").rows == [
        ("_sldb_requests",),
        ("_sldb_requests_by_age",),
        ("t",),
    ]
    assert run(service, "SELECT id FROM _sldb_requests").rows == [("first",)]
    assert run(service, "SELECT * FROM theirs", database="other").rows == [("hidden",)]
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]
    assert run(service, "SELECT count(*) FROM sqlite_temp_schema").rows == [(0,)]
    assert run(service, "INSERT INTO t VALUES (2, 'y') RETURNING b", request_id="next", dry_run=True).rows == [("y",)]
