from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.shared import times
from lambda_handlers.wire import Action, Request, SldbError, Statement
from sldb.actions import as_of
from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.fakes.terminal.printed import TIME


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(LocalTarget(tmp_path))
    for sql in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"):
        client.execute(Request((Statement(sql),)))
    yield client
    client.close()


def test_the_history_knows_what_a_reply_does_not_say(client: Client) -> None:
    [line] = client.act("history", limit=1)["transactions"]
    for time in (None, line["time"]):
        assert as_of.look_up_sentences(client, 2, time) == [f"as of {as_of.label(2, line['time'])}"]
    assert re.fullmatch(f"transaction 2, {TIME}", as_of.label(2, line["time"]))


def test_what_was_done_does_not_fail_for_want_of_a_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_action: Action) -> dict[str, Any]:
        raise SldbError("store_error", "S3 does not answer")

    monkeypatch.setattr(client.target, "act", refuse)
    assert as_of.look_up_sentences(client, 2) == ["as of transaction 2"]


def test_a_transaction_says_from_when_on(client: Client) -> None:
    [line] = client.act("history", before=2)["transactions"]
    written = times.read(line["time"])
    assert written is not None
    assert as_of.find_time_ms(client, 1) == written.start_ms
    for txid in (0, 9, 2**64 - 1):
        with pytest.raises(SldbError, match="--since: it is not known when transaction") as caught:
            as_of.find_time_ms(client, txid)
        assert caught.value.code == "not_found"
