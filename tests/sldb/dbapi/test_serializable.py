"""Threads whose transactions meet: what they saw and did is that of one order of them all.

The list-append check: transactions read lists and append unique values to them, each with a read-modify-write that
would lose an update of another. The final lists give the order of the writes, from which all dependencies follow:

    ww  the appends of two transactions are neighbours in a list
    wr  one has read the append of the other as the last of the list
    rw  one has read a list that ends before the append of the other

Serializable histories have no cycle of these: G0, G1c and G2 are cycles of some kinds of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import count, pairwise
from pathlib import Path
from random import Random

import pytest

import sldb
from tests.sldb.dbapi.conftest import Connect

KEYS = (1, 2, 3)


@dataclass
class Seen:
    """A committed transaction."""

    reads: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)  # key and list; before its own appends only
    appends: list[tuple[int, int]] = field(default_factory=list)  # key and value


class GivenUp(Exception):
    """The transaction is rolled back by its program."""


def read(inside: sldb.Connection, key: int) -> tuple[int, ...]:
    (text,) = inside.execute("SELECT members FROM list WHERE key = ?", (key,)).fetchone()
    return tuple(map(int, text.split()))


def append(inside: sldb.Connection, key: int, value: int) -> tuple[int, ...]:
    """Append by reading and writing back; return the list before."""
    before = read(inside, key)
    text = " ".join(map(str, (*before, value)))
    inside.execute("UPDATE list SET members = ? WHERE key = ?", (text, key))
    return before


def transaction(chance: Random, values: Iterator[int], may_give_up: bool = True) -> Callable[[sldb.Connection], Seen]:
    """Return a transaction of up to three reads and appends."""
    steps = [(chance.choice(("read", "append", "append")), chance.choice(KEYS)) for _ in range(chance.randint(1, 3))]
    gives_up = may_give_up and chance.random() < 0.15

    def run(inside: sldb.Connection) -> Seen:
        seen, own = Seen(), set()
        for does, key in steps:
            if does == "append":
                value = next(values)
                found = append(inside, key, value)
                seen.appends.append((key, value))
            else:
                found = read(inside, key)
            if key not in own:
                seen.reads.append((key, found))
            if does == "append":
                own.add(key)
        if gives_up:
            raise GivenUp
        return seen

    return run


def in_threads(number: int, work: Callable[[int], None]) -> None:
    """Call `work` in threads of their own, and raise what one of them raises."""
    errors: list[BaseException] = []

    def guarded(position: int) -> None:
        try:
            work(position)
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(position,)) for position in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def check(history: Sequence[Seen], final: dict[int, tuple[int, ...]]) -> None:
    """Raise AssertionError unless the transactions have been one after the other."""
    writer = {value: number for number, one in enumerate(history) for _, value in one.appends}
    appended = sorted(value for one in history for _, value in one.appends)
    assert sorted(value for values in final.values() for value in values) == appended, "lost, doubled or given up"
    last = {(number, key): value for number, one in enumerate(history) for key, value in one.appends}
    before: dict[int, set[int]] = {number: set() for number in range(len(history))}
    for values in final.values():
        for one, other in pairwise(values):
            before[writer[other]].add(writer[one])
    for number, seen in enumerate(history):
        for key, found in seen.reads:
            order = final[key]
            assert order[: len(found)] == found, "a read of another order, or of what was given up"
            if found:
                assert last[writer[found[-1]], key] == found[-1], "a read of the middle of a transaction"
                before[number].add(writer[found[-1]])
            if len(found) < len(order):
                before[writer[order[len(found)]]].add(number)
    for number, others in before.items():
        others.discard(number)
    with suppress(CycleError):
        TopologicalSorter(before).prepare()
        return
    raise AssertionError("a cycle")


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([Seen([(1, ())], [(1, 1)]), Seen([(1, ())], [(1, 2)])], id="a lost update"),
        pytest.param([Seen([(2, ())], [(1, 1)]), Seen([(1, ())], [(2, 2)])], id="write skew"),
        pytest.param([Seen([], [(1, 1), (1, 2)]), Seen([(1, (1,))])], id="an intermediate read"),
        pytest.param([Seen([], [(1, 1)]), Seen([(1, (3,))])], id="a read of what was given up"),
        pytest.param([Seen([], [(1, 1), (2, 2)]), Seen([(1, (1,)), (2, ())])], id="a read of half of it"),
    ],
)
def test_the_check_finds(history: list[Seen]) -> None:
    final = {key: tuple(value for one in history for at, value in one.appends if at == key) for key in KEYS}
    with pytest.raises(AssertionError):
        check(history, final)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_lists_that_threads_append_to_have_one_order(connection: sldb.Connection, connect: Connect, seed: int) -> None:
    connection.execute("CREATE TABLE list (key INTEGER PRIMARY KEY, members TEXT NOT NULL)")
    connection.executemany("INSERT INTO list VALUES (?, '')", [(key,) for key in KEYS])
    connection.commit()
    values, history = count(1), list[Seen]()

    def work(position: int) -> None:
        chance, own = Random(f"{seed} {position}"), connect()
        for _ in range(5):
            with suppress(GivenUp):
                history.append(own.run(transaction(chance, values), tries=200))

    in_threads(4, work)
    final = {key: read(connection, key) for key in KEYS}
    assert sum(map(len, final.values())) > 15
    check(history, final)


@pytest.mark.long
def test_a_pool_of_twenty_threads_loses_no_update_and_no_connection(tmp_path: Path) -> None:
    """Each thread opens the target by itself, as programs do, and so do processes."""
    target = f"local:{tmp_path}"
    with sldb.connect(target) as first:
        first.execute("CREATE TABLE counter (n INTEGER NOT NULL)")
        first.execute("INSERT INTO counter VALUES (0)")
    first.close()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()

    def add(inside: sldb.Connection) -> None:
        (n,) = inside.execute("SELECT n FROM counter").fetchone()
        inside.execute("UPDATE counter SET n = ?", (n + 1,))

    def work(_: int) -> None:
        for _ in range(2):
            own = sldb.connect(target)
            own.run(add, tries=1000)
            own.close()

    in_threads(20, work)
    last = sldb.connect(target)
    assert last.execute("SELECT n FROM counter").fetchone() == (40,)
    assert last.execute("SELECT 1").fetchone() == (1,)
    last.close()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads
