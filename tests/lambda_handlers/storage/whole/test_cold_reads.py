"""A cold read of a small database: requests and rounds, whatever has happened to it before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_handlers.log import Log
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.rounds import RoundsStore
from tests.fakes.stores.timed import Timed

ROUNDS, REQUESTS = 2, 6
OF_NOTHING = 3, 5  # several LISTs show that there is no database
CREATE = ("CREATE TABLE t (n)", "INSERT INTO t VALUES (0)", "CREATE TABLE large (x)")
LARGE = 300_000  # bytes: a file of so many is too large for a copy in a head


class World:
    """A database that two containers write, and maintenance."""

    def __init__(self, stack: ExitStack, base_bytes: int) -> None:
        self._create = (*CREATE, f"INSERT INTO large VALUES (randomblob({base_bytes}))")
        self.clock = Clock()
        self.store = RoundsStore(Timed(memory_store(), self.clock))
        self._stack = stack
        self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._number = 0
        self._writers = [self.engine(), self.engine()]

    def engine(self) -> Engine:
        self._number += 1
        host = replace(Clock(seed=self._number).host(), now=self.clock.now, sleep=self.clock.sleep)
        engine = Engine(self.store, self._directory, self.store.host(host))
        self._stack.callback(engine.close)
        return engine

    def do(self, step: str) -> None:
        """`0` and `1`: a commit of one of the writers."""
        self.clock.time += 1
        if step == "drop":
            self._drop(self._writers[0])
        elif step == "pass":
            Maintenance(self.store, self.clock.host(), Log("error"), 30).run(self.clock.time + 900, "main")
        elif step == "old":
            self.clock.time += RETENTION_FLOOR_SECONDS
        else:
            self._write(self._writers[int(step)])

    def _write(self, writer: Engine) -> None:
        writer.replica.refresh()
        is_new = not writer.replica.page_count
        writer.write(*(self._create if is_new else ()), "UPDATE t SET n = n + 1", refresh=False)

    def _drop(self, writer: Engine) -> None:
        writer.replica.refresh()
        if writer.replica.page_count:
            writer.replica.commit(PageChanges(writer.replica.page_size, 0, tuple), Kind.DROP_DATABASE, content_ms=0)

    def cold_read(self) -> None:
        """Read a row, and compare it with what the writers have."""
        reader, query = self.engine(), "SELECT n, length(x) FROM t, large"
        self.store.measure()
        reader.replica.refresh()
        rows = reader.rows(query) if reader.replica.page_count else []
        rounds, requests = (ROUNDS, REQUESTS) if reader.replica.txid else OF_NOTHING
        assert self.store.rounds <= rounds, self.store.requests
        assert len(self.store.requests) <= requests, self.store.requests
        self._writers[1].replica.refresh()
        assert rows == (self._writers[1].rows(query) if self._writers[1].replica.page_count else [])


@contextmanager
def new_world(base_bytes: int = LARGE) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, base_bytes)


steps = st.lists(st.sampled_from(["0", "0", "0", "1", "1", "pass", "drop", "old"]), max_size=12)


@given(steps, st.booleans())
@example([], False)
@example(["0"] * 12, True)
@settings(max_examples=15)
def test_a_cold_read_takes_two_rounds_at_any_moment(before: list[str], is_old: bool) -> None:
    with new_world() as world:
        for step in before:
            world.do(step)
        if is_old:
            world.do("old")
        world.cold_read()


def test_after_a_drop() -> None:
    """The line is that of `page_count` in Publisher._fold_after: two large files would be read, not one."""
    with new_world() as world:
        for step in ("0", "drop", "0", "old"):
            world.do(step)
        world.cold_read()


@pytest.mark.parametrize(("is_old", "base_bytes"), [(False, 100), (True, LARGE)])
def test_after_any_number_of_commits(is_old: bool, base_bytes: int) -> None:
    """Before a pass, and after one."""
    with new_world(base_bytes) as world:
        for number in range(26):
            if is_old:
                world.do("old")
            world.cold_read()
            world.do("pass" if number == 12 else "0")
