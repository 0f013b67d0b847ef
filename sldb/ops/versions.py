"""`sldb status --versions`: the kept versions of a stack, the newest first. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from sldb.deploy.kept.records import Records
from sldb.deploy.kept.version import Version
from sldb.ops.status import deployed
from sldb.ops.status_report import write_table
from sldb.report import age
from sldb.stack.account import Account
from sldb.stack.cloudformation import Stack

_HEADER = ("version", "sldb", "deployed", "by", "code", "")


def read_versions(account: Account, stack: str) -> list[Version]:
    """Return the versions, the live one first. Raises SldbError."""
    state = deployed(account, stack)
    template = Stack(account.cloudformation, stack).template()
    return Records(account.bundle_bucket(stack)).with_live(state, template)[::-1]


def encode(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """Return the versions as objects for JSON."""
    return [
        {
            "version": each.number,
            "live": each is versions[0],
            "sldb": each.sldb or None,
            "format": each.format,
            "deployed_at": each.made_at,
            "by": each.by or None,
            "bundle": each.bundle.removesuffix(".zip"),
            "back_to": each.back_to or None,
            "storage": each.storage,
            "is_of_move": each.is_of_move,
            "parameters": dict(each.parameters),
        }
        for each in versions
    ]


def show_versions(versions: Sequence[Version], out: TextIO, now: float) -> None:
    """Write the versions as a table. `now`: unix seconds."""
    rows = [
        (
            str(each.number),
            each.sldb or "-",
            f"{age(max(0.0, now - each.made_at))} ago",
            each.by.rpartition(":")[2] or "-",
            each.bundle[:12],
            ", ".join(_marks(each, versions[0])),
        )
        for each in versions
    ]
    write_table(out, "versions: none", _HEADER, rows)


def _marks(version: Version, live: Version) -> list[str]:
    """Return what there is to say about a version, also why no `--rollback` goes to it."""
    marks = {
        "live": version is live,
        f"back to {version.back_to}": version.back_to,
        "step of a move": version.is_of_move,
        f"databases in {version.storage}": version.storage != live.storage,
    }
    return [mark for mark, is_so in marks.items() if is_so]
