"""The actions and requests counted as writes, and reported with their destination."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.actions.registry import ACTIONS
from lambda_handlers.wire import Request, Statement
from sldb.client import _WRITES, Client
from sldb.targets.local import LocalTarget

READS = {
    *("cancel", "databases", "describe", "history", "pull", "pull_part", "pull_urls", "push_begin", "push_part"),
    *("push_urls", "result", "rows", "file_create", "file_list", "file_names", "file_read"),
}


def test_every_action_is_known_to_write_or_to_read() -> None:
    assert set(_WRITES) | READS == set(ACTIONS)
    assert not set(_WRITES) & READS


@pytest.fixture
def written(tmp_path: Path) -> Any:
    written: list[str] = []
    client = Client(LocalTarget(tmp_path), on_write=written.append)
    client.execute(request("CREATE TABLE t (a); INSERT INTO t VALUES (1)"))
    assert written == ["main"]
    written.clear()
    yield client, written
    client.close()


def request(sql: str, **fields: Any) -> Request:
    return Request((Statement(sql),), **fields)


@pytest.mark.parametrize(
    ("sql", "fields", "writes"),
    [
        ("SELECT * FROM t", {}, False),
        ("INSERT INTO t VALUES (2)", {}, True),
        ("INSERT INTO t VALUES (2) RETURNING a", {}, True),
        ("CREATE TABLE u (a)", {}, True),
        ("DELETE FROM t WHERE a = 99", {}, None),  # whatever it is to the engine
        ("INSERT INTO t VALUES (2)", {"dry_run": True}, False),
        ("SELECT * FROM t", {"at": 1}, False),
        ("VACUUM", {}, True),
    ],
)
def test_a_request_that_wrote_is_told_of_and_no_other(
    written: tuple[Client, list[str]], sql: str, fields: dict[str, Any], writes: bool | None
) -> None:
    client, told = written
    before = client.act("history")["txid"]
    client.execute(request(sql, **fields))
    has_written = client.act("history")["txid"] != before
    assert told == (["main"] if has_written else [])
    assert writes in (None, has_written)


def test_the_same_again_is_told_of_too(written: tuple[Client, list[str]]) -> None:
    client, told = written
    for _ in range(2):
        client.execute(request("INSERT INTO t VALUES (2)", request_id="one"))
    assert told == ["main", "main"]


def test_actions_that_wrote_are_told_of_with_their_database(written: tuple[Client, list[str]]) -> None:
    client, told = written
    client.act("branch", **{"as": "copy"})
    client.act("branch", **{"as": "copy"})  # there already
    client.act("restore", at=1)  # as it is
    client.act("set_database", foreign_keys=True)  # as it is
    client.act("history")
    assert told == ["copy"]
    client.act("set_database", foreign_keys=False)
    client.act("rename_database", to="renamed")
    assert told == ["copy", "main", "renamed"]
