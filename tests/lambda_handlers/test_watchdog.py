"""Requests that do not end by themselves: told of, unlocked, ended from outside; never one that may be committed."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import apsw
import pytest

from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.queue import asynchronous
from lambda_handlers.queue.asynchronous import RequestFailed
from lambda_handlers.service import Service
from lambda_handlers.watchdog import Watchdog
from tests.fakes.aws.ec2 import FakeEc2
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.waiting import wait_until

STUCK = "SELECT stuck()"  # the time of the function runs out in it


@dataclass
class Lambda:
    """Where replies go, and what the end of the process would have found."""

    url: str = ""
    replies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # how many locks were taken then


@dataclass(frozen=True)
class Context:
    aws_request_id: str = "aws-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class HeldTimer(threading.Timer):
    """A timer whose time is up when the test says so."""

    def start(self) -> None:
        """Hold it."""

    def run_out(self) -> None:
        """Do in its thread what it would do then."""
        self.interval = 0
        super().start()
        self.join()


class Time:
    """The clock of the host, and the timers of the watchdog."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers: list[HeldTimer] = []

    def new_timer(self, *arguments: Any) -> HeldTimer:
        self.timers.append(HeldTimer(*arguments))
        return self.timers[-1]

    def run_out(self) -> None:
        """Let the time pass after which the watchdog looks at the request that runs."""
        self.clock.sleep(self.timers[-1].interval)
        self.timers[-1].run_out()


@pytest.fixture
def runtime() -> Iterator[Lambda]:
    runtime = Lambda()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            runtime.replies.append((self.path, body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    runtime.url = f"127.0.0.1:{server.server_port}"
    yield runtime
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(memory_store())


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def service(runtime: Lambda, store: FaultyStore, time: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    def add_stuck(connection: apsw.Connection) -> None:
        connection.create_scalar_function("stuck", time.run_out, 0)

    monkeypatch.setattr(apsw, "connection_hooks", [add_stuck])
    ec2, host = FakeEc2(), time.clock.host()
    lock = SecurityGroupLock(ec2, host, stack="s", vpc_id=None, max_age_seconds=90, retry_seconds=0.05)
    service = container(store, lock, host)
    service._watchdog = Watchdog(runtime.url, lambda status: runtime.ends.append(len(ec2.groups)), time.new_timer)
    run(service, "CREATE TABLE t (a)")
    yield service
    service.close()


@pytest.mark.parametrize("shape", ["direct", "http", "queue"])
def test_one_that_sqlite_does_not_let_go_of(service: Service, runtime: Lambda, shape: str) -> None:
    request = {"query": f"INSERT INTO t VALUES (1); {STUCK}"}
    event: dict[str, Any] = request
    if shape == "http":
        event = {"httpMethod": "POST", "requestContext": {}, "body": json.dumps(request)}
    if shape == "queue":
        event = {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps(request)}]}
    service.handle(event, Context())
    assert runtime.ends == [0]
    ((path, reply),) = runtime.replies
    assert path == "/2018-06-01/runtime/invocation/aws-1/response"
    if shape == "queue":
        assert reply == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    else:
        body = json.loads(reply["body"]) if shape == "http" else reply["body"]
        assert (reply["statusCode"], body["error"]["code"]) == (408, "query_timeout")
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_one_that_nobody_waits_for_is_an_error_of_the_function(service: Service, runtime: Lambda) -> None:
    """The process ends without an answer, which Lambda takes for an error, and repeats the request."""
    with pytest.raises(RequestFailed, match="query_timeout"):  # here, where the process does not end
        asynchronous.handle(service, {"query": f"INSERT INTO t VALUES (1); {STUCK}"}, Context())
    assert (runtime.ends, runtime.replies) == ([0], [])


def test_of_a_batch_goes_back_what_is_not_committed(service: Service, runtime: Lambda) -> None:
    bodies = [{"query": "INSERT INTO t VALUES (1)", "careful": True}, {"query": STUCK}, {"query": "SELECT 1"}]
    records = [
        {"eventSource": "aws:sqs", "messageId": f"m{n}", "body": json.dumps(body)} for n, body in enumerate(bodies)
    ]
    service.handle({"Records": records}, Context())
    ((_, reply),) = runtime.replies
    assert [one["itemIdentifier"] for one in reply["batchItemFailures"]] == ["m1", "m2"]
    assert runtime.ends == [0]


def test_one_that_comes_back_after_all_commits_nothing(service: Service, runtime: Lambda) -> None:
    """It was given up, and its caller told so: what SQLite then returns is too late."""
    reply = service.handle({"query": f"INSERT INTO t VALUES (1); {STUCK}"}, Context())
    assert reply["body"]["error"]["code"] == "query_timeout"
    assert len(runtime.ends) == 1
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_one_that_may_be_committed_is_left_alone(
    service: Service, runtime: Lambda, store: FaultyStore, time: Time
) -> None:
    def slowly(key: str, act: Any) -> Any:
        done = act()
        time.run_out()
        return done

    for txid, query in enumerate(("INSERT INTO t VALUES (1)", "VACUUM"), 2):
        store.plan("create", slowly)
        reply = service.handle({"query": query}, Context(f"aws-{txid}"))
        assert (reply["statusCode"], reply["body"]["txid"]) == (200, txid)
    assert len(time.clock.sleeps) == 2
    assert runtime.ends == []
    assert runtime.replies == []
    assert run(service, "SELECT * FROM t").rows == [(1,)]


def test_one_that_ends_in_time(service: Service, runtime: Lambda, time: Time) -> None:
    for _ in range(20):
        assert service.handle({"query": "INSERT INTO t VALUES (1)"}, Context())["statusCode"] == 200
    assert len(time.timers) == 20
    for timer in time.timers:
        time.clock.sleep(timer.interval)
        timer.run_out()
    assert runtime.ends == []


def test_a_timer_ends_with_its_request() -> None:
    watchdog = Watchdog("", pytest.fail)
    for _ in range(20):
        with watchdog.watching(3600, "aws-1", lambda: pytest.fail("it was in time")):
            assert timers()
    wait_until(lambda: not timers(), "the end of the timers' threads")


def timers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_timer_looks_at_a_request_from_outside() -> None:
    looked = threading.Event()

    def give_up() -> None:
        looked.set()

    with Watchdog("", pytest.fail).watching(0.01, "aws-1", give_up):
        assert looked.wait(60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # a real end leaves nobody to warn
def test_a_process_ends_even_if_it_cannot_answer(
    service: Service, runtime: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "http.client", None)  # it is imported only then, perhaps with no memory left
    service.handle({"query": STUCK}, Context())
    assert len(runtime.ends) == 1
    assert runtime.replies == []


def test_a_process_ends_even_if_lambda_does_not_listen(service: Service, time: Time) -> None:
    ended: list[int] = []
    service._watchdog = Watchdog("127.0.0.1:1", ended.append, time.new_timer)
    service.handle({"query": STUCK}, Context())
    assert ended == [1]
