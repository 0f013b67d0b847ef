"""The steps of a log: which writes an undo takes back, and which ones a redo brings back.

An undo or redo is a transaction that brings back an older state, and its header names the transaction of that state
(ltx.Marks). So the log alone holds an editor's linear history:

- A *write* is any transaction but an undo, a redo or an announcement: a restore is a write too, and so is an undo by an
  earlier version, which has no mark.
- The *position* of a transaction is the write whose state it has: its own, or that of the state that it brought back.
- An undo goes to the state before the position. A redo goes back along the positions that the undos have left. The
  first write after an undo drops them.

Pure: `read` provides the headers of single transactions, and raises for one that is left in a merged file only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Txid

MAX_STEPS = 1000

_MOVES = (Kind.UNDO, Kind.REDO)

Read = Callable[[Txid], Header]


class NoStep(Exception):
    """There are fewer steps than requested: `count`."""

    def __init__(self, count: int) -> None:
        super().__init__(f"only {count}")
        self.count = count


@dataclass(frozen=True, slots=True)
class Plan:
    """The writes to take back or to bring back, in this order, and the transaction whose state is to be restored."""

    writes: tuple[Txid, ...]
    target: Txid


def undo(read: Read, newest: Txid, count: int) -> Plan:
    """Return the plan to go back from the state of transaction `newest`. Raises NoStep."""
    writes: list[Txid] = []
    txid = newest
    while len(writes) < count:
        if (write := position(read, txid)) < 2:  # there is no state before the first transaction
            raise NoStep(len(writes))
        writes.append(write)
        txid = write - 1
    return Plan(tuple(writes), txid)


def redo(read: Read, newest: Txid, count: int) -> Plan:
    """Return the plan to go forward from the state of transaction `newest`. Raises NoStep: 0 steps, if it is not an
    undo or a redo."""
    last, now = newest, position(read, newest)
    while last and (is_move(read(last)) or is_announcement(read(last))):
        last -= 1
    left: list[Txid] = []  # the positions above `now`, the newest first
    at = position(read, last)
    while at > now:
        left.append(at)
        at = position(read, at - 1)
    if len(left) < count:
        raise NoStep(len(left))
    writes = tuple(left[-1 : -count - 1 : -1])
    return Plan(writes, writes[-1])


def position(read: Read, txid: Txid) -> Txid:
    """Return the write whose state a transaction has; 0 for the state before the first one."""
    while txid:
        header = read(txid)
        if is_announcement(header):
            txid -= 1
        elif is_move(header):
            txid = header.marks.restored
        else:
            break
    return txid


def writes_since_move(read: Read, newest: Txid, oldest: Txid) -> tuple[Txid, ...]:
    """Return the writes after the last undo or redo among the transactions from `oldest` on, the newest first; none if
    there is no undo or redo."""
    writes: list[Txid] = []
    for txid in range(newest, oldest - 1, -1):
        header = read(txid)
        if is_move(header):
            return tuple(writes)
        if not is_announcement(header):
            writes.append(txid)
    return ()


def first_change(read: Read, after: Txid, newest: Txid) -> Iterator[Header]:
    """Yield the first transaction after another one that is no announcement, if there is one."""
    for txid in range(after + 1, newest + 1):
        if not is_announcement(header := read(txid)):
            yield header
            return


def is_move(header: Header) -> bool:
    """Return True for an undo or a redo that says which state it brought back: an older one."""
    return kinds.of_node_id(header.node_id) in _MOVES and 0 < header.marks.restored < header.max_txid


def is_announcement(header: Header) -> bool:
    return kinds.of_node_id(header.node_id) is Kind.ANNOUNCEMENT
