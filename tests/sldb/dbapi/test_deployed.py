"""The driver and a deployed stack, over its HTTP API and by its function: lost connections, and large results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError

import sldb
from sldb.aws import http
from sldb.cli.main import run as run_command
from sldb.targets import remote
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.sldb.access.stack_callers import Operator

pytestmark = [pytest.mark.network, pytest.mark.long, pytest.mark.timeout(300)]

Connect = Callable[[], sldb.Connection]


@pytest.fixture(scope="module")
def operator(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with emulated_aws(wheels=wheels_of(pytestconfig)) as aws:
        assert run_command(["deploy", "--api", "token", "--yes"]) == 0
        yield Operator(tmp_path_factory.mktemp("operator"), aws)


@pytest.fixture(scope="module", params=["https", "lambda"])
def connect(operator: Operator, request: pytest.FixtureRequest) -> Connect:
    if request.param == "lambda":
        return lambda: sldb.connect("lambda", "main")
    caller = operator.caller("token", "driver", "--all-databases")
    return lambda: sldb.connect(caller.address, "main", token=caller.variables["SLDB_TOKEN"])


@pytest.fixture
def connection(connect: Connect) -> Iterator[sldb.Connection]:
    made = connect()
    with made:
        made.execute("DROP TABLE IF EXISTS t")
        made.execute("CREATE TABLE t (n)")
    yield made
    made.close()


class Line:
    """The connections to the function: it loses requests, or their answers, as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.losses: list[str] = []  # of the next requests: "answer" or "request"
        self._send = http._send
        self.is_down = False
        monkeypatch.setattr(http, "_send", self.send)
        monkeypatch.setattr(remote, "BACKOFF_SECONDS", 0.0)
        monkeypatch.setattr(remote, "SETTLE_SECONDS", 0.0)

    def send(self, session: object, request: object, body: bytes) -> http.HttpReply:
        loss = self.losses.pop(0) if self.losses else "request" if self.is_down else ""
        if loss != "request":
            reply = self._send(session, request, body)  # type: ignore[arg-type]  # as they came
        if loss:
            error = ConnectionClosedError(endpoint_url="the function")
            raise http.Unanswered(error, was_sent=True)
        return reply


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


@pytest.mark.parametrize("losses", [["answer"], ["request"], ["request", "answer", "answer"]], ids="+".join)
def test_a_commit_whose_connection_drops_is_applied_once(
    connection: sldb.Connection, line: Line, losses: list[str]
) -> None:
    connection.execute("INSERT INTO t VALUES (1)")
    line.losses = list(losses)
    connection.commit()
    assert line.losses == []
    assert connection.execute("SELECT * FROM t").fetchall() == [(1,)]


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_without_any_answer_is_unknown_and_the_same_again_finds_it(
    connection: sldb.Connection, line: Line, *, arrives: bool
) -> None:
    connection.execute("INSERT INTO t VALUES (1)")
    line.losses, line.is_down = ["answer" if arrives else "request"], True
    with pytest.raises(sldb.OperationalError) as caught:
        connection.commit()
    assert (caught.value.applied, connection.in_transaction) == ("unknown", True)
    line.is_down = False
    newest = connection.history(limit=1)[0]["txid"]
    connection.commit()
    assert connection.txid == newest + (0 if arrives else 1)
    assert connection.execute("SELECT * FROM t").fetchall() == [(1,)]


def test_many_rows_go_there_and_come_back(connection: sldb.Connection) -> None:
    with connection:
        connection.executemany("INSERT INTO t VALUES (?)", ((f"{n} " + "x" * 1000,) for n in range(1000)))
    rows = connection.execute("SELECT a.n || b.n FROM t a JOIN (SELECT n FROM t LIMIT 4) b")  # 8 MB
    assert rows.fetchone() is not None
    connection.execute("DELETE FROM t")
    assert sum(1 for _ in rows) == 3_999
    connection.rollback()


def test_a_message_is_in_the_history(operator: Operator, tmp_path: Path) -> None:
    with sldb.connect("lambda", "main", message="why") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS made (a)")
    connection.close()
    (newest,) = json.loads(operator.run("history", "--limit", "1", "--format", "json"))
    assert (newest["message"], newest["command"]) == ("why", "python")
