"""Requests that do not end by themselves: told of, unlocked, ended from outside; never one that may be committed."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.service import Service
from lambda_handlers.watchdog import Watchdog
from tests.fakes.aws.ec2 import FakeEc2
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

STUCK = "SELECT instr(hex(zeroblob(5000000)), hex(zeroblob(8000)) || '1')"  # seconds, in one step


@dataclass
class Lambda:
    """Where replies go, and what the end of the process would have found."""

    url: str = ""
    replies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ends: list[tuple[float, int]] = field(default_factory=list)  # when, and how many locks were taken then


class Context:
    aws_request_id = "aws-1"

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


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
def service(runtime: Lambda, store: FaultyStore) -> Iterator[Service]:
    ec2 = FakeEc2()
    lock = SecurityGroupLock(ec2, Host(), stack="s", vpc_id=None, max_age_seconds=90, retry_seconds=0.05)
    service = container(store, lock)
    service._watchdog = Watchdog(runtime.url, lambda status: runtime.ends.append((time.monotonic(), len(ec2.groups))))
    run(service, "CREATE TABLE t (a)")
    yield service
    service.close()


@pytest.mark.parametrize("shape", ["direct", "http", "queue"])
def test_one_that_sqlite_does_not_let_go_of(service: Service, runtime: Lambda, shape: str) -> None:
    request = {"query": f"INSERT INTO t VALUES (1); {STUCK}; {STUCK}; {STUCK}"}
    event: dict[str, Any] = request
    if shape == "http":
        event = {"httpMethod": "POST", "requestContext": {}, "body": json.dumps(request)}
    if shape == "queue":
        event = {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps(request)}]}
    began = time.monotonic()
    service.handle(event, Context(1.5))
    ((ended_at, locks),) = runtime.ends
    assert ended_at - began < time.monotonic() - began
    assert ended_at - began < 5
    assert locks == 0
    ((path, reply),) = runtime.replies
    assert path == "/2018-06-01/runtime/invocation/aws-1/response"
    if shape == "queue":
        assert reply == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    else:
        body = json.loads(reply["body"]) if shape == "http" else reply["body"]
        assert (reply["statusCode"], body["error"]["code"]) == (408, "query_timeout")
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_one_that_comes_back_after_all_commits_nothing(service: Service, runtime: Lambda) -> None:
    """It was given up, and its caller told so: what SQLite then returns is too late."""
    reply = service.handle({"query": f"INSERT INTO t VALUES (1); {STUCK}"}, Context(0.6))
    assert reply["body"]["error"]["code"] == "query_timeout"
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_one_that_may_be_committed_is_left_alone(service: Service, runtime: Lambda, store: FaultyStore) -> None:
    def slowly(key: str, act: Any) -> Any:
        done = act()
        time.sleep(1.5)
        return done

    store.plan("create", slowly)
    assert service.handle({"query": "INSERT INTO t VALUES (1)"}, Context(1.0))["statusCode"] == 200
    store.plan("create", slowly)
    assert service.handle({"query": "VACUUM"}, Context(1.0))["statusCode"] == 200
    assert runtime.ends == []
    assert runtime.replies == []
    assert run(service, "SELECT * FROM t").rows == [(1,)]


def test_one_that_ends_in_time(service: Service, runtime: Lambda) -> None:
    for _ in range(20):
        assert service.handle({"query": "INSERT INTO t VALUES (1)"}, Context(1.0))["statusCode"] == 200
    time.sleep(1.2)
    assert runtime.ends == []
    assert threading.active_count() < 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # a real end leaves nobody to warn
def test_a_process_ends_even_if_it_cannot_answer(
    service: Service, runtime: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "http.client", None)  # it is imported only then, perhaps with no memory left
    service.handle({"query": STUCK}, Context(0.5))
    assert len(runtime.ends) == 1
    assert runtime.replies == []


def test_a_process_ends_even_if_lambda_does_not_listen(service: Service, runtime: Lambda) -> None:
    ended: list[int] = []
    service._watchdog = Watchdog("127.0.0.1:1", ended.append)
    service.handle({"query": STUCK}, Context(0.5))
    assert ended == [1]
