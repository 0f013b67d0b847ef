"""Open sessions between requests are a pure cache: with them or without, every reply is the same to the bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.database.transaction import warm_sessions
from lambda_handlers.sql.execution import Execution
from lambda_handlers.wire import Request, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

SCHEMA = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 9), at TEXT DEFAULT (hex(randomblob(4))));
    CREATE TABLE p (id INTEGER PRIMARY KEY);
    CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED);
    CREATE VIRTUAL TABLE words USING fts5(body);
    CREATE TRIGGER t_words AFTER INSERT ON t BEGIN INSERT INTO words VALUES ('w' || abs(random() % 3)); END;
    INSERT INTO t (n) VALUES (1), (2), (3);
"""
STATEMENTS = [
    "INSERT INTO t (n) VALUES (abs(random() % 12)) RETURNING *",
    "INSERT INTO t (n) VALUES (4)",
    "UPDATE t SET n = n + 1",
    "UPDATE OR IGNORE t SET n = n + 3 WHERE id % 2",
    "DELETE FROM t WHERE id = (SELECT max(id) FROM t)",
    "SELECT *, random(), datetime('now', 'subsec') FROM t ORDER BY random()",
    "SELECT count(*), total_changes(), changes(), last_insert_rowid() FROM words",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "ROLLBACK TO a",
    "RELEASE a",
    "CREATE TEMP TABLE IF NOT EXISTS mine AS SELECT random() AS r",
    "INSERT INTO mine VALUES (randomblob(3))",
    "SELECT * FROM mine",
    "CREATE TABLE made (x DEFAULT CURRENT_TIMESTAMP); INSERT INTO made DEFAULT VALUES",
    "SELECT * FROM made",
    "INSERT INTO c VALUES (5)",
    "INSERT OR IGNORE INTO p VALUES (5)",
    "PRAGMA user_version = 7",
    "INSERT INTO words VALUES ('one'), ('two'); SELECT rowid, * FROM words('w1 OR one')",
    "no such statement",
    "INSERT OR FAIL INTO t (n) VALUES (5), (11), (6)",
    "ATTACH 'other' AS o",
    "SELECT n FROM o.t",
    "INSERT INTO t (id, n) VALUES (9223372036854775807, 1)",
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 2), st.sampled_from(STATEMENTS), st.booleans()),
        st.tuples(st.sampled_from(["begin", "commit", "old", "write", "write other", "read"]), st.integers(0, 2)),
    ),
    min_size=5,
    max_size=30,
)


def outcome(service, request):
    """The reply or the error, without the statistics."""
    try:
        return replace(service.reply(request), stats={}).encode()
    except SldbError as error:
        return error.encode()


class World:
    """Two containers over one store. Each request inside a transaction is answered by a new container, too."""

    def __init__(self, clock):
        self.clock = clock
        self.store = Timed(memory_store(), clock)
        self.containers = [self.new_container() for _ in range(2)]
        for database in ("main", "other"):
            run(self.containers[0], SCHEMA, database=database)
        self.tokens = {}

    def new_container(self):
        return new_container(self.store, host=self.clock.host())

    def close(self):
        for each in self.containers:
            each.close()

    def replayed(self, event):
        service = self.new_container()
        try:
            return outcome(service, Request.decode(event))
        finally:
            service.close()

    def begin(self, client):
        reply = self.containers[client % 2].reply(Request.decode({"transaction": {"begin": True}}))
        self.tokens[client] = [reply.transaction["token"]]

    def run(self, client, sql, elsewhere):
        event = {"transaction": {"token": self.tokens[client][-1]}, "query": sql}
        found = outcome(self.containers[(client + elsewhere) % 2], Request.decode(event))
        assert found == self.replayed(event)
        transaction = found.get("transaction") or {}
        if "token" in transaction:
            self.tokens[client].append(transaction["token"])

    def commit(self, client):
        tokens = self.tokens.pop(client)
        event = {"transaction": {"token": tokens[-1], "end": "commit"}}
        found = outcome(self.containers[client % 2], Request.decode(event))
        again = self.replayed(event)
        assert again == found or "error" in found

    def other(self, kind, client):
        service = self.containers[client % 2]
        if kind == "write":
            run(service, "UPDATE t SET n = n + 0 WHERE id = 1")
        elif kind == "write other":
            run(service, "UPDATE t SET n = 1", database="other")
        else:
            run(service, "SELECT random() FROM t")


def play(steps):
    clock = Clock()
    world = World(clock)
    try:
        for kind, client, *rest in steps:
            clock.time += 1
            if kind in ("write", "write other", "read"):
                world.other(kind, client)
            elif kind == "begin" or client not in world.tokens:
                world.begin(client)
            elif kind == "run":
                world.run(client, *rest)
            elif kind == "old":
                world.tokens[client].append(world.tokens[client][len(world.tokens[client]) // 2])
            else:
                world.commit(client)
    finally:
        world.close()


@pytest.mark.long
@given(STEPS)
def test_every_reply_is_the_same_with_and_without_open_sessions(steps):
    play(steps)


@pytest.fixture
def executions(monkeypatch):
    """Counts the executions of statements."""
    counted = []
    run_one = Execution.run

    def counting(self, position):
        counted.append(position)
        return run_one(self, position)

    monkeypatch.setattr(Execution, "run", counting)
    return counted


@pytest.mark.long
def test_a_thousand_inserts_one_by_one_are_run_once_and_once_more_for_the_commit(service, executions):
    run(service, "CREATE TABLE t (a)")
    client = Interactive(service)
    executions.clear()
    for number in range(1000):
        reply = client.run("INSERT INTO t VALUES (?)", [number])
        assert reply.stats["sessions"] == "warm"
        assert reply.stats["store_requests"] == (0 if len(client.token) < 65_536 else reply.stats["store_requests"])
    assert len(executions) <= 1010
    client.commit()
    assert len(executions) <= 2010
    assert run(service, "SELECT count(*), sum(a) FROM t").rows == [(1000, 499_500)]


def test_a_commit_takes_one_store_request_more_than_one_request_of_its_statements(service):
    """It asks for newer transactions first: what its statements have shown is compared with what they show then."""
    run(service, "CREATE TABLE t (a)")
    one = run(service, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)").stats
    run(service, "INSERT INTO t VALUES (0)")  # the third transaction, with a head
    client = Interactive(service)
    client.run("INSERT INTO t VALUES (1)")
    client.run("INSERT INTO t VALUES (2)")
    assert client.commit().stats["store_requests"] <= one["store_requests"] + 1


def test_a_session_survives_commits_of_others_after_one_replay(service, container, store):
    run(service, "CREATE TABLE t (a)")
    client = Interactive(service)
    client.run("INSERT INTO t VALUES (1)")
    seen = []
    for number in range(4):
        run(service, "INSERT INTO t VALUES (2)")
        seen.append(client.run("INSERT INTO t VALUES (?)", [number]).stats["sessions"])
    assert seen == ["replayed", "warm", "warm", "warm"]


def test_open_sessions_are_bounded_in_number_and_age(container, store):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    clients = [Interactive(service) for _ in range(warm_sessions.MAX_SESSIONS + 1)]
    for client in clients:
        client.run("INSERT INTO t VALUES (1)")
    assert [client.run("SELECT 1").stats["sessions"] for client in clients[1:]] == ["warm"] * (len(clients) - 1)
    assert clients[0].run("SELECT 1").stats["sessions"] == "replayed"
    clock.time += warm_sessions.MAX_AGE_SECONDS + 1
    assert clients[0].run("SELECT 1").stats["sessions"] == "replayed"


def test_open_sessions_are_bounded_in_the_pages_that_they_have_changed(service, monkeypatch):
    monkeypatch.setattr(warm_sessions, "MAX_BYTES", 8 << 20)
    run(service, "CREATE TABLE t (a)")
    clients = [Interactive(service) for _ in range(3)]
    for client in clients:
        client.run("INSERT INTO t VALUES (zeroblob(5000000))")  # more than SQLite's own cache: it writes pages
    assert clients[2].run("SELECT 1").stats["sessions"] == "warm"
    assert clients[0].run("SELECT 1").stats["sessions"] == "replayed"


def test_open_sessions_are_bounded_in_the_files_of_temporary_tables(service, monkeypatch):
    monkeypatch.setattr(warm_sessions, "MAX_BYTES", 8 << 20)
    run(service, "CREATE TABLE t (a)")
    clients = [Interactive(service) for _ in range(3)]
    for client in clients:
        client.run("CREATE TEMP TABLE x AS SELECT randomblob(5000000)")
    assert clients[2].run("SELECT 1").stats["sessions"] == "warm"
    assert clients[0].run("SELECT 1").stats["sessions"] == "replayed"


def test_open_sessions_of_all_databases_are_bounded_together(service, monkeypatch):
    monkeypatch.setattr(warm_sessions, "MAX_SESSIONS_IN_ALL", 3)
    clients = [Interactive(service, database=f"d{number}") for number in range(4)]
    for client in clients:
        client.run("CREATE TABLE t (a)")
    assert [client.run("SELECT 1").stats["sessions"] for client in clients[1:]] == ["warm"] * 3
    assert clients[0].run("SELECT 1").stats["sessions"] == "replayed"


def test_open_sessions_of_a_database_are_closed_with_it(container, store):
    service = container(store, cache_bytes=1 << 20)
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(500000))", database="large")
    client, other = Interactive(service, database="small"), Interactive(service, database="large")
    client.run("CREATE TABLE t (a)")
    other.run("SELECT a FROM t")
    other.run("INSERT INTO t VALUES (zeroblob(3000000))")  # in its changed pages
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(900000))", database="third")
    for one in (client, other):
        assert one.run("SELECT count(*) FROM sqlite_schema").rows == [(1,)]


def test_copies_held_by_open_sessions_stay_within_the_budget_of_the_cache(container, store):
    budget = 10 << 20
    service = container(store, cache_bytes=budget)
    run(service, "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t (a) VALUES (randomblob(2000000)), (1)")
    clients = []
    for _ in range(8):
        clients.append(Interactive(service))
        run(service, "UPDATE t SET a = a + 1 WHERE id = 2")  # the next one has another base
    for client in clients:
        client.run("SELECT sum(length(a)) FROM t")
    kept = service._databases["main"].size_bytes
    assert kept <= budget + (2 << 20) * 2  # the moments requested last are kept anyway
    assert clients[-1].run("SELECT 1").stats["sessions"] == "warm"


def test_a_session_with_another_base_is_never_taken(service):
    run(service, "CREATE TABLE t (a)")
    first = Interactive(service)
    run(service, "INSERT INTO t VALUES (1)")
    second = Interactive(service)
    assert second.rows("SELECT count(*) FROM t") == [(1,)]
    assert first.rows("SELECT count(*) FROM t") == [(0,)]
    assert second.rows("SELECT count(*) FROM t") == [(1,)]
