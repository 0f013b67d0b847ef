from __future__ import annotations

from typing import Any

import pytest

from lambda_handlers.wire import Action, bad_request
from sldb.actions import databases
from sldb.client import Client

TIME = "2026-11-26T10:00:00.000Z"
OK = {"name": "main", "state": "ok", "txid": 3, "time": TIME, "bytes": 4096, "foreign_keys": True}
DAMAGED = {"name": "bad", "state": "damaged", "txid": 2, "problem": "no page 1"}


def test_databases_for_people_and_for_programs() -> None:
    ok, damaged = databases.table([OK, DAMAGED], "table").rows
    assert (ok[0], ok[1], ok[2], ok[4], ok[5]) == ("main", "4.1 KB", 3, "on", "ok")
    assert damaged == ("bad", None, 2, None, None, "damaged")
    dropped = databases.cells({**OK, "state": "dropped", "until": TIME})
    assert str(dropped[5]).startswith("dropped, kept until 2026-11-2")
    for format_name, enforced in (("json", True), ("jsonl", True), ("csv", "on"), ("insert", "on")):
        rows = databases.table([OK], format_name).rows
        assert rows == [("main", "ok", 3, TIME, 4096, None, None, enforced, None, None)]


def test_a_damaged_database_has_a_sentence() -> None:
    assert databases.problems([OK, DAMAGED]) == ["bad is damaged: no page 1"]


class Stack:
    """A target with many databases. An earlier version knows neither `details` nor `names`."""

    def __init__(self, count: int, knows: set[str]) -> None:
        self.found = {f"db-{number:03d}": {**OK, "name": f"db-{number:03d}"} for number in range(count)}
        self.knows = knows
        self.asked: list[dict[str, Any]] = []

    def act(self, action: Action) -> dict[str, Any]:
        given = action.arguments
        self.asked.append(dict(given))
        for unknown in sorted(set(given) - self.knows):
            bad_request(f"arguments.{unknown}", given[unknown], "another argument")
        names = given.get("names", list(self.found))
        has_details = given.get("details", "names" in given or len(names) <= 100 or "names" not in self.knows)
        there = [self.found[name] for name in names if name in self.found]
        return {"databases": there if has_details else [{"name": one["name"]} for one in there]}


NEW, OLD = {"all", "details", "names"}, {"all"}


def client(count: int, knows: set[str]) -> tuple[Client, Any]:
    stack: Any = Stack(count, knows)
    return Client(stack), stack


@pytest.mark.parametrize(("count", "knows", "requests"), [(100, NEW, 1), (250, NEW, 4), (250, OLD, 1)])
def test_details_come_in_parts_of_a_hundred(count: int, knows: set[str], requests: int) -> None:
    one, stack = client(count, knows)
    found = [each for part in databases.listed(one, details=True) for each in part]
    assert found == list(stack.found.values())
    assert len(stack.asked) == requests


def test_without_details_the_names_of_many_are_one_request() -> None:
    one, stack = client(250, NEW)
    [found] = databases.listed(one)
    assert not any(map(databases.is_detailed, found))
    assert databases.table(found, "table").rows[0] == ("db-000", None, None, None, None, None)
    assert databases.table(found, "json").rows[0][:2] == ("db-000", None)
    assert len(stack.asked) == 1


@pytest.mark.parametrize(("knows", "requests"), [(NEW, 1), (OLD, 2)])
def test_names_alone_are_asked_for_and_an_earlier_version_tells_more(knows: set[str], requests: int) -> None:
    one, stack = client(3, knows)
    assert one.database_names() == list(stack.found)
    assert len(stack.asked) == requests
    stack.asked.clear()
    assert [each["name"] for each in one.list_databases(names=["db-001", "x"])] == ["db-001"]
    assert len(stack.asked) == requests
