"""The fetches of names: in the background, after possible changes, and never while a key waits."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lambda_handlers.wire import Reply, Request, SldbError
from sldb.client import Client
from sldb.shell.catalog import Names, everything, schema_version
from sldb.shell.completion import Known, complete
from sldb.shell.output import Output
from sldb.shell.schema_names import LiveDatabases, LiveNames
from sldb.shell.session import Session
from sldb.shell.submission import submit
from sldb.targets.local import LocalTarget
from sldb.targets.protocol import Target
from tests.fakes.targets.sqlite_target import SqliteTarget
from tests.fakes.waiting import wait_until


@dataclass
class WatchedTarget(SqliteTarget):
    """Counts the requests for names, and reports own writes, as the function does."""

    answered: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Reply:
        before = self.txid
        reply = super().send(request)
        reply.stats["commit_ms"] = 1.0 if self.txid != before else 0.0
        self.answered.append(request)
        return reply

    def asked(self) -> list[str]:
        """Return the answered requests for names so far, `version` or `everything`."""
        kinds = {schema_version().statements: "version", everything().statements: "everything"}
        return [kinds[request.statements] for request in self.answered if request.statements in kinds]


@pytest.fixture
def target() -> WatchedTarget:
    return WatchedTarget()


@pytest.fixture
def session(target: WatchedTarget) -> Session:
    return new_session(target)


def new_session(target: Target) -> Session:
    session = Session(Client(target), Output(io.StringIO(), io.StringIO(), timing=False))
    session.names = LiveNames(
        lambda: Names.from_reply(session.peek(everything())), lambda: session.peek(schema_version()).rows[0][0]
    )
    return session


def wait(until: Callable[[], bool]) -> None:
    wait_until(until, "the names")


def known(session: Session) -> list[str]:
    assert session.names is not None
    return list(session.names.current.columns)


def test_own_changes_of_the_schema_are_seen_and_cost_one_look(session: Session, target: WatchedTarget) -> None:
    submit(session, "create table fresh(a);")
    wait(lambda: known(session) == ["fresh"])
    submit(session, "alter table fresh rename to stale;")
    wait(lambda: known(session) == ["stale"])
    assert target.asked() == ["everything"] * 2


def test_reads_and_writes_of_ones_own_look_for_nothing(session: Session, target: WatchedTarget) -> None:
    target.connection.execute("create table t(a)")
    submit(session, "select 1;")
    for _ in range(3):
        submit(session, "insert into t values ('create table');")
        submit(session, "select * from t;")
    assert target.asked() == []


def test_when_others_write_the_version_is_asked_and_no_more(session: Session, target: WatchedTarget) -> None:
    submit(session, "create table t(a);")
    wait(lambda: known(session) == ["t"])
    target.txid += 5
    submit(session, "select 1;")
    wait(lambda: target.asked() == ["everything", "version"])
    target.connection.execute("create table theirs(a)")
    target.txid += 1
    submit(session, "select 1;")
    wait(lambda: known(session) == ["t", "theirs"])
    assert target.asked() == ["everything", "version", "version", "everything"]


def test_a_table_that_is_missed_may_be_new(session: Session, target: WatchedTarget) -> None:
    with pytest.raises(SldbError):
        submit(session, "select * from nope;")
    wait(lambda: target.asked() == ["everything"])


def test_what_a_transaction_makes_is_known_inside_it(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    session = new_session(target)
    assert session.names is not None
    submit(session, "create table outside(a); begin; create table inside(a);")
    wait(lambda: known(session) == ["inside", "outside"])
    submit(session, "rollback;")
    wait(lambda: known(session) == ["outside"])
    target.close()


def test_of_a_target_that_fails_there_are_none() -> None:
    finished = threading.Event()

    def fetch() -> Names:
        finished.set()
        raise SldbError("store_error", "not deployed")

    names = LiveNames(fetch, lambda: 1)
    names.refresh()
    assert finished.wait(20)
    assert names.current == Names()


@dataclass
class BlockedTarget(SqliteTarget):
    """Every request waits until the target is freed."""

    free: threading.Event = field(default_factory=threading.Event)

    def send(self, request: Request) -> Reply:
        self.requests.append(request)
        assert self.free.wait(60)
        raise SldbError("store_error", "too late")


def test_no_key_waits_for_a_target_that_does_not_answer() -> None:
    target = BlockedTarget()
    session = new_session(target)
    assert session.names is not None
    databases = LiveDatabases(lambda: [str(session.peek(schema_version()).txid)])
    session.names.refresh()
    wait(lambda: len(target.requests) == 1)
    for typed in ("select * from us", ".tables u", ".database m", "insert into t values (1); sel"):
        for end in range(1, len(typed) + 1):
            choices = {"database": databases.names}
            complete(
                typed[:end], "", Known(session.names.current, {".database": "database", ".tables": "table"}, choices)
            )
            session.names.refresh()
            session.names.check()
    assert len(target.requests) == 1
    target.free.set()
