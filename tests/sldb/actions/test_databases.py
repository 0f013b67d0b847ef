from __future__ import annotations

from sldb.actions import databases

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
