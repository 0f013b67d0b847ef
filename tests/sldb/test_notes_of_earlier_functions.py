"""A function of an earlier version knows no notes: commands go on without theirs, a message of the user is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambda_handlers.wire import Action, Reply, Request, SldbError, Statement
from lambda_handlers.wire.note import Note
from sldb.client import Client
from sldb.targets.local import LocalTarget


class EarlierTarget(LocalTarget):
    """A function that refuses the fields, as it does any field that it does not know."""

    def send(self, request: Request) -> Reply:
        if request.command or request.message:
            name = "command" if request.command else "message"
            raise SldbError("bad_request", f"{name}: got 'x', want one of the fields at, create", field=name)
        return super().send(request)

    def act(self, action: Action) -> dict[str, Any]:
        for name in ("message", "command"):
            if name in action.arguments:
                raise SldbError("bad_request", f"arguments.{name}: got 'x', want at", field=f"arguments.{name}")
        return super().act(action)


def test_a_command_goes_on_without_its_note_and_a_message_does_not(tmp_path) -> None:
    target = EarlierTarget(tmp_path)
    client = Client(target, note=Note(command="import people.csv"))
    assert client.execute(Request((Statement("CREATE TABLE t (a)"),))).txid == 1
    client.execute(Request((Statement("INSERT INTO t VALUES (1)"),)))
    assert client.act("restore", at=1)["txid"] == 3
    told = replace(client, note=Note("why"))
    for send in (lambda: told.execute(Request((Statement("DELETE FROM t"),))), lambda: told.act("restore", at=2)):
        with pytest.raises(SldbError) as caught:
            send()
        assert "sldb deploy updates it" in caught.value.hint
    assert told.execute(Request((Statement("SELECT 1"),), read_only=True)).txid == 3
    target.close()
