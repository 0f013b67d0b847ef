"""Streams that wait for hours between their requests, each of which meets another container: none is lost for a day."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from lambda_handlers.database.transaction.token import LIFE_SECONDS
from lambda_handlers.log import Log
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store_clock import SKEW_SECONDS
from tests.fakes.clock import Clock
from tests.fakes.databases.hrana import HranaClient, execute, rows, step
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

STREAMS = 12
HOUR = 3600.0
COMMIT = (execute("COMMIT"), {"type": "get_autocommit"}, {"type": "close"})


class Site:
    """A stack whose containers end after one request, and whose scheduled function runs between them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store: Any = Timed(memory_store(), self.clock)
        self.visitor = self.client()
        self.visitor.send(
            execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance)"),
            execute("CREATE TABLE visits (n)"),
            execute("CREATE TABLE large (n)"),
            *(execute("INSERT INTO account VALUES (?, 100)", number) for number in range(STREAMS)),
        )

    def client(self) -> HranaClient:
        return HranaClient(self.store, host=self.clock.host())

    def wait(self, seconds: float) -> None:
        """Let time pass, in which another client commits and a pass of maintenance runs."""
        self.clock.time += seconds
        self.visitor.run("INSERT INTO visits VALUES (1)")
        Maintenance(self.store, self.clock.host(), Log("error"), retention_days=30).run(self.clock.time + 900)

    def stored_keys(self) -> list[str]:
        return [info.key for info in self.store.list_objects("")]


@pytest.fixture
def site() -> Site:
    return Site()


def test_no_stream_is_lost_while_it_idles_for_an_hour(site: Site) -> None:
    """Each reads, stores a text, writes by it through a cursor, and commits, with an hour in between."""
    streams = [site.client() for _ in range(STREAMS)]
    stored = {"type": "store_sql", "sql_id": 1, "sql": "UPDATE account SET balance = balance - 1 WHERE id = ?"}
    for number, stream in enumerate(streams):
        begun = stream.send(execute("BEGIN"), execute("SELECT balance FROM account WHERE id = ?", number), stored)
        assert rows(begun[1]) == [(100,)]
    site.wait(HOUR)
    for number, stream in enumerate(streams):
        written = {"stmt": {"sql_id": 1, "args": [{"type": "integer", "value": str(number)}]}}
        entries = stream.cursor(written, step("SELECT 1", {"type": "is_autocommit"}))
        assert [entry.get("affected_row_count") for entry in entries if entry["type"] == "step_end"] == [1]
    site.wait(HOUR)
    for number, stream in enumerate(streams):
        assert stream.rows("SELECT balance FROM account WHERE id = ?", number) == [(99,)]
        assert site.visitor.rows("SELECT balance FROM account WHERE id = ?", number) == [(100,)]
    site.wait(HOUR)
    for stream in streams:
        committed, autocommit, _ = stream.send(*COMMIT)
        assert (committed["type"], autocommit["response"]["is_autocommit"]) == ("ok", True)
    assert site.visitor.rows("SELECT sum(balance), count(*) FROM account") == [(99 * STREAMS, STREAMS)]


def test_a_large_stream_whose_token_is_an_object_waits_as_long(site: Site) -> None:
    stream = site.client()
    random, sizes = Random(0), range(3)
    stream.send(execute("BEGIN"), *(execute("INSERT INTO large VALUES (?)", random.randbytes(40_000)) for _ in sizes))
    for _ in range(22):
        site.wait(HOUR)
        assert stream.rows("SELECT count(*) FROM large") == [(len(sizes),)]
    assert any(key.startswith("_streams/") for key in site.stored_keys())
    assert stream.send(*COMMIT)[0]["type"] == "ok"
    assert site.visitor.rows("SELECT count(*) FROM large") == [(len(sizes),)]


def test_a_stream_ends_a_day_after_its_begin(site: Site) -> None:
    stream = site.client()
    stream.send(execute("BEGIN"), execute("DELETE FROM account"))
    site.wait(LIFE_SECONDS - 1)
    assert stream.rows("SELECT count(*) FROM account") == [(0,)]
    site.wait(SKEW_SECONDS + 2)
    answer = stream.post({"baton": stream.baton, "requests": [execute("COMMIT")]})
    assert stream.response is not None
    assert (stream.response.status, answer["error"].partition(":")[0]) == (404, "the transaction has expired")
    assert site.visitor.rows("SELECT count(*) FROM account") == [(STREAMS,)]
