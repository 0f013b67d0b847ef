"""Undo and redo along a log are those of an editor: a list of states and a place in it, which a new write cuts off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.log import kinds, steps
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Marks
from lambda_handlers.storage.log.steps import NoStep


class Log:
    """A log, and beside it the model: the states of an editor, and the state of each transaction."""

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.states: list[int] = [0]  # 0 is before the first transaction
        self.editor: list[int] = []
        self.at = -1  # in the editor's list

    @property
    def newest(self) -> int:
        return len(self.headers)

    def read(self, txid: int) -> Header:
        assert txid > 0
        return self.headers[txid - 1]

    def add(self, kind: Kind, state: int, restored: int = 0) -> None:
        txid = self.newest + 1
        node_id = kinds.node_id(kind, bytes(8))
        self.headers.append(Header(4096, 1, txid, txid, txid, node_id, has_checksum=True, marks=Marks(restored)))
        self.states.append(state)

    def write(self, kind: Kind) -> None:
        self.add(kind, self.newest + 1)
        del self.editor[self.at + 1 :]
        self.editor.append(self.newest)
        self.at += 1

    def announce(self) -> None:
        self.add(Kind.ANNOUNCEMENT, self.states[-1])

    def undo(self, count: int) -> None:
        if count > self.at:
            with pytest.raises(NoStep) as caught:
                steps.undo(self.read, self.newest, count)
            assert caught.value.count == max(self.at, 0)
            return
        plan = steps.undo(self.read, self.newest, count)
        taken_back = self.editor[self.at : self.at - count : -1]
        assert [self.states[txid] for txid in plan.writes] == taken_back
        self.at -= count
        self.add(Kind.UNDO, self.states[plan.target], plan.target)

    def redo(self, count: int) -> None:
        available = len(self.editor) - 1 - self.at
        if count > available:
            with pytest.raises(NoStep) as caught:
                steps.redo(self.read, self.newest, count)
            assert caught.value.count == available
            return
        plan = steps.redo(self.read, self.newest, count)
        assert [self.states[txid] for txid in plan.writes] == self.editor[self.at + 1 : self.at + 1 + count]
        self.at += count
        self.add(Kind.REDO, self.states[plan.target], plan.target)


COUNTS = st.integers(1, 4)
WRITES = st.sampled_from([Kind.INSERT, Kind.RESTORE, Kind.PUSH, Kind.UNKNOWN, Kind.VACUUM]).map(lambda k: ("write", k))
MOVES = st.tuples(st.sampled_from(["undo", "redo"]), COUNTS)
ACTS = st.lists(WRITES | MOVES | MOVES | st.just(("announce",)), max_size=40)


@given(ACTS)
def test_a_log_is_an_editors_history(acts):
    log = Log()
    log.write(Kind.CREATE)
    for name, *given_ in acts:
        getattr(log, name)(*given_)
        if log.headers[-1].marks.restored or name == "write":
            assert log.states[log.newest] == log.editor[log.at]


def test_the_walk_of_the_documentation():
    log = Log()
    for act in ("1", "2", "3", "undo", "undo", "redo", "4", "undo", "undo"):
        getattr(log, act)(1) if act.isalpha() else log.write(Kind.INSERT)
    assert log.states[1:] == [1, 2, 3, 2, 1, 2, 7, 2, 1]
    with pytest.raises(NoStep):
        steps.redo(log.read, log.newest, 3)


def test_an_undo_without_its_mark_is_a_write():
    """A function of an earlier version, or another program, has written it."""
    log = Log()
    log.write(Kind.INSERT)
    log.write(Kind.INSERT)
    log.add(Kind.UNDO, 1)
    assert steps.undo(log.read, 3, 1).writes == (3,)
    log.add(Kind.UNDO, 1, restored=9)  # not an older one: damage, or another program
    assert steps.undo(log.read, 4, 1).writes == (4,)


def test_the_writes_since_an_undo():
    log = Log()
    log.write(Kind.INSERT)
    log.write(Kind.INSERT)
    assert steps.writes_since_move(log.read, log.newest, 1) == ()
    log.undo(1)
    assert steps.writes_since_move(log.read, log.newest, 1) == ()
    log.write(Kind.INSERT)
    log.announce()
    log.write(Kind.INSERT)
    assert steps.writes_since_move(log.read, log.newest, 1) == (6, 4)
    assert steps.writes_since_move(log.read, log.newest, 4) == ()
