"""Everything that changes a database, against plain SQLite: containers with caches of all sizes, passes of maintenance
that are killed, retention, restores, branches, drops. Whatever came before: the newest state, and every transaction of
the retention period, is what SQLite makes of the same statements."""

from __future__ import annotations

import re

import apsw
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.settings import MIB
from lambda_handlers.storage.pages.page_cache import MIN_PAGES
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store.protocol import Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import dump
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

RETENTION_DAYS = 2.0
CACHES = (4096 * MIN_PAGES, MIB, 100 * MIB)

small = st.integers(0, 30)
statements = st.one_of(
    st.just("CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, v)"),
    st.just("CREATE TABLE IF NOT EXISTS w (k TEXT PRIMARY KEY, v) WITHOUT ROWID"),
    st.just("CREATE INDEX IF NOT EXISTS a_v ON a (v)"),
    st.builds("INSERT OR REPLACE INTO a VALUES ({}, zeroblob({}))".format, small, st.sampled_from([3, 900, 20_000])),
    st.builds("INSERT OR REPLACE INTO w VALUES ('k{}', printf('%.{}c', 'x'))".format, small, st.integers(1, 900)),
    st.builds(
        "WITH r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}) "
        "INSERT OR REPLACE INTO a SELECT n + 100, 'row ' || n FROM r".format,
        st.sampled_from([3, 900]),
    ),
    st.builds("UPDATE a SET v = 'new' WHERE id % 5 = {}".format, st.integers(0, 4)),
    st.builds("DELETE FROM a WHERE id > {}".format, small),
    st.builds("INSERT INTO a VALUES ({}, 1)".format, small),  # may fail
    st.sampled_from(["DROP TABLE IF EXISTS w", "DROP INDEX IF EXISTS a_v", "DELETE FROM a"]),
)


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.store = Timed(memory_store(), self.clock)
        self.containers: list[Service] = []
        self.model = apsw.Connection(":memory:")
        self.states: dict[int, bytes] = {}  # the database as SQLite has it, by txid
        self.times: dict[int, float] = {}
        self.drops: set[int] = set()
        self.seed = 0
        self.start(0)
        self.start(1)

    def container_of(self, number: int) -> Service:
        return self.containers[number % len(self.containers)]

    @rule(size=st.integers(0, 2))
    def start(self, size: int) -> None:
        """One more container; the oldest goes."""
        if len(self.containers) > 3:
            self.containers.pop(0).close()
        self.seed += 1
        host = Clock(seed=self.seed).host()
        host = type(host)(self.clock.now, self.clock.sleep, host.entropy, host.start)
        self.containers.append(container(self.store, host=host, cache_bytes=CACHES[size]))  # type: ignore[arg-type]  # Timed passes every verb on

    @rule(number=small, statements=st.lists(statements, min_size=1, max_size=5), again=st.booleans())
    def write(self, number: int, statements: list[str], again: bool) -> None:
        sql = "; ".join(statements)
        self.model.execute("BEGIN")
        try:
            self.model.execute(sql)
            expected = ""
        except apsw.Error as error:
            expected = str(error)
        self.model.execute("ROLLBACK" if expected else "COMMIT")
        request_id = f"request {self.clock.time} {len(self.states)}" if again else None
        before = max(self.states, default=0)
        for service in (self.container_of(number), self.container_of(number + 1))[: 1 + again]:
            if expected:
                with pytest.raises(SldbError, match=self._refusal(expected)):
                    run(service, sql, request_id=request_id)
            else:
                txid = run(service, sql, request_id=request_id).txid
                assert txid in (before, before + 1)
        if not expected:
            self._note(txid)

    @rule(number=small)
    @precondition(lambda self: self.states)
    def vacuum(self, number: int) -> None:
        if self._is_there():
            self._note(run(self.container_of(number), "VACUUM").txid)

    @rule(number=small, back=small)
    def restore(self, number: int, back: int) -> None:
        promised = self._promised()
        if promised:
            txid = promised[-1 - back % len(promised)]
            self._become(self.states[txid])
            restored = act(self.container_of(number), "restore", at=txid)["txid"]
            if txid in self.drops:  # restored to the moment when it was dropped
                self.drops.add(restored)
            self._note(restored)

    @rule(number=small)
    @precondition(lambda self: self.states)
    def drop(self, number: int) -> None:
        if self._is_there():
            self._become(b"")
            txid = act(self.container_of(number), "drop_database")["txid"]
            self.drops.add(txid)
            self._note(txid)

    @rule(number=small, back=small)
    def branch(self, number: int, back: int) -> None:
        promised = [txid for txid in self._promised() if txid not in self.drops]
        if promised:
            txid, name = promised[-1 - back % len(promised)], f"b{len(self.store.list_directories(''))}"
            act(self.container_of(number), "branch", **{"as": name, "at": txid})
            service = self.container_of(number + 1)
            assert self._dump(service, database=name) == self._dump_of(self.states[txid])

    @rule(hours=st.sampled_from([0.01, 0.4, 1.1, 20, 60]))
    def wait(self, hours: float) -> None:
        self.clock.time += hours * 3600

    @rule(calls=st.none() | st.integers(0, 40))
    def maintain(self, calls: int | None) -> None:
        maintenance = Maintenance(self.store, self.clock.host(), Log("error"), RETENTION_DAYS)  # type: ignore[arg-type]  # as above
        self.store.calls_left = calls
        try:
            maintenance.run(self.clock.time + 900, "main")
        except Unavailable:
            assert calls is not None
        self.store.calls_left = None

    @rule(number=small)
    def read_newest(self, number: int) -> None:
        if self._is_there():
            newest = max(self.states, default=0)
            assert self._dump(self.container_of(number)) == self._dump_of(self.states.get(newest, b""))

    @rule(number=small, back=small)
    def read_the_past(self, number: int, back: int) -> None:
        promised = self._promised()
        if promised:
            txid = promised[-1 - back % len(promised)]
            assert self._dump(self.container_of(number), at=txid) == self._dump_of(self.states[txid])

    def _promised(self) -> list[int]:
        """The transactions of the retention period, and always the newest."""
        begins = self.clock.time - RETENTION_DAYS * 86_400
        return sorted(
            {txid for txid, at in self.times.items() if at > begins} | {max(self.states)} if self.states else []
        )

    def _is_there(self) -> bool:
        return not self.states or max(self.states) not in self.drops

    def _refusal(self, expected: str) -> str:
        """The pattern of the message for statements that SQLite refuses. If they fail before one writes, a dropped
        database says that it was dropped, as it does for a read."""
        if self._is_there():
            return re.escape(expected)
        return f"{re.escape(expected)}|was dropped by transaction {max(self.states)},"

    def _note(self, txid: int) -> None:
        if txid not in self.states:
            assert txid == max(self.states, default=0) + 1
            self.states[txid] = self.model.serialize("main")
            self.times[txid] = self.clock.time

    def _become(self, image: bytes) -> None:
        self.model.close()
        self.model = apsw.Connection(":memory:")
        if image:
            self.model.deserialize("main", image)

    @staticmethod
    def _dump(service: Service, **fields: object) -> list[tuple[object, ...]]:
        assert run(service, "PRAGMA integrity_check", **fields).rows == [("ok",)]
        everything = dump(lambda sql: run(service, sql, **fields).rows)
        return [row for row in everything if "_sldb_requests" not in row]

    @staticmethod
    def _dump_of(image: bytes) -> list[tuple[object, ...]]:
        connection = apsw.Connection(":memory:")
        if image:
            connection.deserialize("main", image)
        try:
            return dump(connection.execute)
        finally:
            connection.close()

    def teardown(self) -> None:
        for service in getattr(self, "containers", []):
            service.close()


def test_a_restore_to_a_dropped_state_is_a_drop() -> None:
    machine = Machine()
    machine.begin()
    machine.write(0, ["CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, v)"], again=False)
    machine.drop(0)
    machine.write(0, ["CREATE TABLE IF NOT EXISTS w (k TEXT PRIMARY KEY, v) WITHOUT ROWID"], again=False)
    machine.restore(0, back=1)
    machine.write(1, ["DELETE FROM a"], again=True)  # refused: there is no table, and no database
    assert machine.drops == {2, 4}
    machine.branch(0, back=0)  # of the newest state with pages
    machine.read_the_past(0, back=0)
    machine.write(1, ["CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, v)", "DELETE FROM a"], again=True)
    machine.read_newest(0)
    machine.teardown()
    assert max(machine.states) == 5


@pytest.mark.parametrize("examples", [30, pytest.param(150, marks=pytest.mark.long)])
def test_it_is_what_sqlite_makes_of_it(examples: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
