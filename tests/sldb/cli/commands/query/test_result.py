"""`sldb result`: its sentence about an outcome, with the log where there is one."""

from __future__ import annotations

import time

import pytest

from lambda_handlers.wire import new_request_id
from sldb.cli.commands.query.result import sentence


@pytest.mark.parametrize(("ago_seconds", "since"), [(5, "1h"), (4000, "2h"), (3 * 86_400, "73h")])
def test_the_log_is_named_from_the_time_of_the_request_on(ago_seconds: int, since: str) -> None:
    name = new_request_id(time.time() - ago_seconds, bytes(10))
    for state in ("not_applied", "unknown"):
        outcome = {"request_id": name, "state": state, "since": "2026-11-27T12:00:00.000Z"}
        command = f"`sldb logs --since {since} --request-id {name}` shows each attempt"
        assert command in sentence(outcome, has_logs=True)
        assert "sldb" not in sentence(outcome, has_logs=False)


def test_an_id_without_a_time() -> None:
    outcome = {"request_id": "it's mine", "state": "not_applied", "since": "2026-11-27T12:00:00.000Z"}
    assert "--since 24h --request-id 'it'\"'\"'s mine'" in sentence(outcome, has_logs=True)
