"""A move between two stores, in this process: interrupted at each step, repeated, taken back, and under writers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import move_key, moves_prefix, snapshot
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action, SldbError
from sldb.deploy.storage.options import FILES, FINAL, NO_MIGRATION, StorageChoices
from sldb.move.function_store import FunctionStore
from sldb.move.moving import Move
from sldb.progress.protocol import Silent
from sldb.stack.state import StackState
from tests.fakes.databases.engine import compact
from tests.fakes.databases.service import container, run
from tests.fakes.immediate_call import ImmediateCall
from tests.fakes.stores.memory import memory_store
from tests.fakes.targets.in_process import InProcess

HOST = Host(start=ImmediateCall)  # one step after the other


class Noted(Silent):
    """A progress whose lines that stay are in a list."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def note(self, text: str) -> None:
        self._notes.append(text)


class Killed(Exception):
    """The end of the process that moves databases."""


class Stack:
    """A stack's parameters, its two stores, and its writers. The process of the mover dies at step `deadline`, before
    or after its effect."""

    def __init__(self, directory: Path) -> None:
        self.parameters = {"Storage": "s3", "Migration": NO_MIGRATION, "Timeout": "60"}
        self.notes: list[str] = []
        self.bucket: ObjectStore = memory_store()
        self.directory = DirectoryStore(directory)
        self.mover = container(self.directory, read_only=True, moves_files=True)
        self.steps, self.deadline, self.after = 0, -1, False
        self.one_at_a_time = threading.Lock()
        self.mover_number = 0
        self.acknowledged: list[int] = []
        self.writer: Service | None = None
        self.at_step: Callable[[], object] = lambda: None

    def state(self) -> StackState:
        outputs = {"DataBucket": "bucket", "FileSystem": "fs-1"}
        return StackState("", "UPDATE_COMPLETE", parameters=dict(self.parameters), outputs=outputs)

    def stores(self, _: StackState) -> tuple[ObjectStore, ObjectStore]:
        assert self.parameters["Migration"] != NO_MIGRATION, "the function that moves files is gone"
        mover = self.mover_number
        target = InProcess(lambda action: self.step(lambda: self.mover.act(action), mover))
        return self.bucket, FunctionStore(target)

    def deploy(self, choices: StorageChoices) -> StackState:
        def deployed() -> StackState:
            self.parameters |= choices.parameters()
            if self.writer is not None:
                self.writer.close()
            self.writer = None
            return self.state()

        return self.step(deployed)

    def step(self, act: Callable[[], Any], mover: int | None = None) -> Any:
        with self.one_at_a_time:  # directories are listed side by side
            if mover not in (None, self.mover_number):
                raise Killed  # a thread of a process that is gone
            self.steps += 1
            self.at_step()
            if self.steps == self.deadline:
                self.mover_number += 1
                if self.after:
                    act()
                raise Killed
            return act()

    def write(self, database: str = "main") -> None:
        """Insert a row by the function as it is configured now, and note it if it was acknowledged."""
        if self.writer is None:
            store = self.bucket if self.parameters["Storage"] == "s3" else self.directory
            refuses = self.parameters["Migration"] == FINAL
            moving_to = {"s3": "efs", "efs": "s3"}[self.parameters["Storage"]] if refuses else ""
            self.writer = container(store, read_only=refuses, moving_to=moving_to)
        number = len(self.acknowledged)
        query = f"INSERT INTO t VALUES ({number})"
        if self.parameters["Migration"] == FINAL:
            with pytest.raises(SldbError, match="being moved"):
                run(self.writer, query, database=database)
        else:
            run(self.writer, query, database=database)
            self.acknowledged.append(number)

    def write_some(self) -> None:
        """Write as long as there are few rows: a move that dies ever later must come to its end some time."""
        if len(self.acknowledged) < 10 or self.parameters["Migration"] == FINAL:
            self.write()

    def move(self, target: str) -> None:
        self._mover(target).run(self.state())

    def abort(self, target: str) -> None:
        self._mover(target).abort(self.state())

    def _mover(self, target: str) -> Move:
        progress = Noted(self.notes)
        return Move(
            self.stores,
            target,
            StorageChoices(),
            self.deploy,
            self.notes.append,
            lambda: nullcontext(progress),
            lambda _: None,
        )

    def ask(self, query: str, **more: Any) -> Any:
        service = container(self.bucket if self.parameters["Storage"] == "s3" else self.directory)
        try:
            return run(service, query, **more).results[0].rows
        finally:
            service.close()

    def history(self) -> list[tuple[int, str]]:
        service = container(self.bucket if self.parameters["Storage"] == "s3" else self.directory)
        try:
            found = service.act(Action("history", "main", {"limit": 1000}))["transactions"]
        finally:
            service.close()
        return [(each["txid"], each["time"]) for each in found]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    service = container(stack.bucket)
    for name in ("main", "other"):
        run(service, "CREATE TABLE t (a)", database=name)
    service.close()
    for _ in range(3):
        stack.write()
    yield stack
    stack.mover.close()


def check(stack: Stack) -> None:
    assert stack.ask("SELECT a FROM t ORDER BY a") == [(number,) for number in stack.acknowledged]


def test_a_move_there_and_back_keeps_every_row_and_every_moment(stack: Stack, tmp_path: Path) -> None:
    for target in ("efs", "s3", "efs"):
        before = stack.history()
        moment = before[len(before) // 2][1]
        then = stack.ask("SELECT count(*) FROM t", at=moment)
        stack.move(target)
        check(stack)
        assert stack.history() == before
        assert stack.ask("SELECT count(*) FROM t", at=moment) == then
        stack.write()
        store = stack.bucket if target == "s3" else stack.directory
        compact(store, snapshot(stack.history()[0][0]), tmp_path / target)
        check(stack)


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_a_move_that_dies_anywhere_goes_on(stack: Stack, after: bool) -> None:
    """Each try dies one step later than the one before, with a writer at each step; the last one comes through."""
    stack.after, stack.at_step = after, stack.write_some
    for deadline in range(1, 200):
        stack.steps, stack.deadline = 0, deadline
        try:
            stack.move("efs")
            break
        except Killed:
            assert stack.parameters["Storage"] == "s3" or stack.parameters["Migration"] != FINAL
            check(stack)
            if stack.parameters["Storage"] == "efs":
                break  # died after the last step
    assert stack.parameters["Storage"] == "efs"
    stack.write()
    check(stack)


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_a_move_that_dies_anywhere_is_taken_back(stack: Stack, after: bool) -> None:
    stack.after, stack.at_step = after, stack.write_some
    for deadline in range(1, 200):
        stack.steps, stack.deadline = 0, deadline
        with suppress(Killed):
            stack.move("efs")
            break
        if stack.parameters["Storage"] == "efs":
            break
        stack.deadline = -1
        if stack.parameters["Migration"] != NO_MIGRATION:
            stack.abort("efs")
        assert stack.parameters["Migration"] == NO_MIGRATION
        stack.write_some()  # is acknowledged again
        check(stack)
    assert stack.parameters["Storage"] == "efs"
    check(stack)


@pytest.mark.long
def test_writes_at_every_step_arrive(stack: Stack) -> None:
    stack.at_step = lambda: (stack.write(), stack.write("other"))
    count = len(stack.acknowledged)
    for target in ("efs", "s3"):
        stack.move(target)
        rows = stack.ask("SELECT a FROM t") + stack.ask("SELECT a FROM t", database="other")
        assert sorted(rows) == [(number,) for number in stack.acknowledged]
    assert len(stack.acknowledged) > count


def test_nothing_is_written_between_the_last_copy_and_the_switch(stack: Stack) -> None:
    """A reply to a write after FINAL is deployed is a refusal, until the functions use the other store."""
    refused = []

    def write() -> None:
        count = len(stack.acknowledged)
        stack.write()
        refused.append(len(stack.acknowledged) == count)
        assert refused[-1] == (stack.parameters["Migration"] == FINAL)

    stack.at_step = write
    stack.move("efs")
    assert True in refused
    assert False in refused


def test_an_abort_leaves_no_slice_of_a_file(stack: Stack) -> None:
    """The function of the move is the last one with a way to a file system out of use."""
    stack.parameters["Migration"] = "files"
    slice_ = move_key("a" * 16, 0)
    stack.directory.create(slice_, b"x")
    stack.abort("efs")
    assert stack.parameters["Migration"] == NO_MIGRATION
    assert [info.key for info in stack.directory.list_objects(moves_prefix())] == []


def test_an_abort_whose_function_does_not_answer_goes_on(stack: Stack) -> None:
    def fail() -> None:
        if stack.steps == 1:
            raise SldbError("internal", "the function crashed")

    stack.parameters["Migration"], stack.at_step = "files", fail
    stack.abort("efs")
    assert stack.parameters["Migration"] == NO_MIGRATION


def test_a_move_to_where_the_databases_are_is_refused(stack: Stack) -> None:
    for act in (lambda: stack.move("s3"), lambda: stack.abort("efs")):
        with pytest.raises(SldbError) as caught:
            act()
        assert caught.value.code == "bad_request"
    assert stack.steps == 0


def test_after_a_move_the_old_files_are_named_with_the_way_to_remove_them(stack: Stack) -> None:
    stack.move("efs")
    assert "stay in s3://bucket/databases/; `aws s3 rm --recursive s3://bucket/databases/" in stack.notes[-1]
    stack.move("s3")
    assert "fs-1 stays" in stack.notes[-1]
    assert "aws efs delete-file-system --file-system-id fs-1" in stack.notes[-1]


@pytest.mark.parametrize("rows", [1, 20])
def test_another_database_of_the_name_ends_the_move_and_stays(stack: Stack, rows: int, tmp_path: Path) -> None:
    """That of an earlier stack: with other files of the same names, or with later ones."""
    service = container(stack.directory)
    for number in range(rows):
        run(service, f"CREATE TABLE other_{number} (a)", database="other")
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(SldbError) as caught:
        stack.move("efs")
    assert (caught.value.code, caught.value.details) == ("exists", {"database": "other", "applied": "no"})
    assert all(word in (caught.value.hint or "") for word in ("migrate-storage efs --abort", "fs-1", "untag-resource"))
    tables = run(service, "SELECT count(*) FROM sqlite_schema", database="other").results[0].rows
    service.close()
    assert tables == [(rows,)]
    kept = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert kept >= set(before)
    stack.abort("efs")
    stack.write()
    check(stack)


def test_databases_that_only_the_other_store_has_are_named(stack: Stack) -> None:
    service = container(stack.directory)
    run(service, "CREATE TABLE t (a)", database="old")
    service.close()
    stack.move("efs")
    assert [note for note in stack.notes if note.startswith("old in efs will be served too")]


def test_a_move_that_died_before_its_last_deployment_ends_by_the_same_command(stack: Stack) -> None:
    """Then, and in the first step of a move away from it, the store is in use, and stays."""
    stack.move("efs")
    stack.write()
    stack.parameters |= {"Migration": FILES}
    stack.move("efs")
    assert (stack.parameters["Storage"], stack.parameters["Migration"]) == ("efs", NO_MIGRATION)
    check(stack)


def test_during_a_move_the_way_back_is_named(stack: Stack) -> None:
    stack.parameters |= {"Migration": FINAL}
    with pytest.raises(SldbError) as caught:
        stack.move("s3")
    assert "sldb migrate-storage efs" in (caught.value.hint or "")
