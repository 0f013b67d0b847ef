from __future__ import annotations

import re

from lambda_handlers.wire import Request, Statement
from sldb.actions.branch import Branch
from sldb.client import Client
from tests.fakes.terminal.printed import TIME


def test_a_branch_is_made_once(client: Client) -> None:
    client.execute(Request((Statement("CREATE TABLE t (a)"),)))
    made, again = (Branch.create(client, "staging", 1) for _ in range(2))
    assert (made.is_new, again.is_new) == (True, False)
    assert re.fullmatch(rf"staging is main as of transaction 1, {TIME} · 1 file, .* B|.* KB", made.outcome)
    assert again.outcome.endswith(", already: nothing was changed")
    assert made.warnings == []


def test_an_older_function_does_not_return_the_time() -> None:
    reply = {"as": "b", "database": "main", "at": 5, "created": True, "files": 2, "bytes": 100}
    assert Branch(reply).outcome == "b is main as of transaction 5 · 2 files, 100 B"
