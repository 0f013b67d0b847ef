"""The kinds of lock: each is written to, read, undone and measured."""

from __future__ import annotations

from live.plan import Option, Usage
from live.stage import Stage, expect


def _use(stage: Stage) -> None:
    stage.query("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text)")
    before = _count(stage)
    stage.query("INSERT INTO notes (text) VALUES ('a'), ('b')")
    expect(_count(stage) == before + 2, "two rows were inserted")
    stage.sldb("undo", "--yes")
    expect(_count(stage) == before, "the insert was undone")
    expect(stage.json("status")["locks"] == [], "no lock is held after the writes")


def _count(stage: Stage) -> int:
    ((count,),) = stage.query("SELECT count(*) FROM notes").rows
    return int(count or 0)


OPTIONS = (
    Option(
        "lock security-group",
        "functions, roles, a bucket, log groups, a schedule; security groups that live for a write",
        ("--lock", "security-group"),
        _use,
        usage=Usage(requests=40),
        lock="security-group",
        is_short=False,
    ),
    Option("lock s3", "the same with objects as locks", ("--lock", "s3"), _use, usage=Usage(requests=40), lock="s3"),
    Option(
        "lock none",
        "the same without a lock",
        ("--lock", "none"),
        _use,
        usage=Usage(requests=40),
        lock="none",
        is_short=False,
    ),
)
