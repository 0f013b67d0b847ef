"""An HTTP API outlives the process of its emulator."""

from __future__ import annotations

from pathlib import Path

from sldb.emulator.front.server import Emulator
from tests.fakes.aws.cloudformation import Stack, template
from tests.fakes.aws.http_api import resources, send
from tests.fakes.waiting import wait_until
from tests.sldb.emulator.conftest import Account

GOOD = {"Authorization": "Bearer good"}


def test_an_api_answers_after_a_restart(tmp_path: Path) -> None:
    with Emulator(data=tmp_path) as aws:
        stack = Stack(Account(aws), lambda look: wait_until(look, "the stack"))
        assert stack.apply(template(aws, **resources(aws)), creates=True) == "CREATE_COMPLETE"
        address = f"/_execute-api/{stack.physical('Api')}/main/query"
        assert send(aws, "POST", address, headers=GOOD)[0] == 200
    with Emulator(data=tmp_path) as aws:
        status, _, event = send(aws, "POST", address, headers=GOOD)
        assert (status, event["stageVariables"]) == (200, {"sldb_front": "token"})
        assert send(aws, "POST", address)[0] == 401
        stack.client = Account(aws).client("cloudformation")
        assert stack.delete() == "DELETE_COMPLETE"
    with Emulator(data=tmp_path) as aws:
        assert send(aws, "POST", address, headers=GOOD)[0] == 404
