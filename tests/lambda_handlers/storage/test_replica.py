"""The replica: its commits, and its past. Each test fails without the line that its docstring names."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.store.protocol import AlreadyExists
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import compact
from tests.fakes.stores.faulty import (
    FaultyStore,
    blame_own,
    clash,
    lose_answer,
    lose_request,
    refuse,
    works,
)
from tests.lambda_handlers.storage.numbers_table import (
    CREATE,
    MakeEngine,
    insert,
    key,
    numbers,
    overwrite,
    written,
)

READING = ("get", "get_with_tag", "get_range", "size", "list_objects", "chunks")


def test_the_first_transaction_is_one_object(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    one = engine()
    assert (one.replica.txid, one.replica.page_count) == (0, 0)

    assert one.write(CREATE) == 1

    assert list(store.written) == ["main/0000/0000000000000001-0000000000000001.ltx", "main/head.json"]
    header = Header.decode(store.get(key(1)), key(1))
    assert (header.page_size, header.commit, header.min_txid, header.max_txid) == (4096, 2, 1, 1)
    assert header.timestamp_ms == int(clock.time * 1000)
    assert header.node_id != 0
    assert (one.replica.txid, one.replica.page_count) == (1, 2)


def test_a_transaction_holds_only_the_pages_that_changed(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write(CREATE, "CREATE TABLE other(x)", *(f"INSERT INTO other VALUES (randomblob({n}))" for n in range(900)))
    one.write(insert(1))

    header, pages = Decoder([store.get(key(2))], key(2)).header, Decoder([store.get(key(2))], key(2)).pages()
    assert header.commit == one.replica.page_count > 100
    assert [pgno for pgno, _ in pages] == [1, 2]


def test_what_one_commits_another_reads(engine: MakeEngine) -> None:
    one, other = engine(), engine()
    written(one, 3)
    other.replica.refresh()

    assert numbers(other) == [2, 3]
    assert other.image() == one.image()

    other.write(insert(4))
    one.replica.refresh()

    assert numbers(one) == [2, 3, 4]


@pytest.mark.usefixtures("no_head_due")
def test_a_warm_commit_is_one_get_and_one_put(engine: MakeEngine, store: FaultyStore) -> None:
    one = written(engine(), 2)
    store.verbs()
    one.write(insert(3))

    assert store.verbs() == ["get_range", "create"]


def test_nothing_is_ever_written_over(engine: MakeEngine, store: FaultyStore) -> None:
    """Invariant 1; the line is `store.create(key, body)` in commit._sender: there is no other write.

    Three writers, whatever can happen to a create and to the look after it. Afterwards the log has every key once,
    with the content that was created, every acknowledged row once, and besides them only rows of unknown outcome.
    """
    chance = random.Random(1)
    writers = [engine() for _ in range(3)]
    writers[0].write(CREATE)
    for writer in writers:
        writer.replica.refresh()
    acknowledged, unknown, refused = [], [], []
    for n in range(400):
        writer = chance.choice(writers)
        if chance.random() < 0.7:
            writer.replica.refresh()
        store.plan("create", *chance.choices([works, lose_request, lose_answer, blame_own, clash, refuse], k=3))
        store.plan("get_range", *chance.choices([works, works, lose_request], k=3))
        try:
            writer.write(insert(n), refresh=False)
            acknowledged.append(n)
        except Conflict:
            refused.append(n)
        except SldbError as error:
            (unknown if error.details["applied"] == "unknown" else refused).append(n)
        store.forget_plans()

    written_over = {key for verb, key in store.calls if verb not in ("create", *READING)}
    assert written_over == {"main/head.json"}
    assert all(
        len(bodies) == 1 and store.get(key) == bodies[0] for key, bodies in store.written.items() if key.endswith("ltx")
    )
    reader = engine()
    reader.replica.refresh()
    found = numbers(reader)
    assert min(len(acknowledged), len(unknown), len(refused)) > 20
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found) <= {*acknowledged, *unknown}
    assert reader.is_sound()


def test_the_loser_of_a_race_is_told_and_nothing_of_it_remains(engine: MakeEngine, store: FaultyStore) -> None:
    """Invariant 2; the line is `raise Conflict(...)` at the end of commit._is_mine."""
    one, other = written(engine(), 2), engine()
    store.delete("main/head.json")  # so that the other one lists, as before its first commit
    other.replica.refresh()
    one.write(insert(3))

    with pytest.raises(Conflict, match="0000000000000003"):
        other.write(insert(99), refresh=False)

    other.replica.refresh()
    assert numbers(other) == [2, 3]
    assert other.write(insert(4)) == 4
    one.replica.refresh()
    assert numbers(one) == [2, 3, 4]


def test_identical_transactions_of_two_writers_do_not_take_each_other_for_themselves(
    engine: MakeEngine, store: FaultyStore
) -> None:
    """Invariant 3; the line is `node_id=` in Replica.commit: not the content tells whose object it is."""
    one, other = written(engine(), 1), engine()
    other.replica.refresh()
    one.write(insert(7))

    with pytest.raises(Conflict):
        other.write(insert(7), refresh=False)


def test_a_loser_looks_again_before_it_believes_its_copy(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `self._freshness.distrust()` in Replica._create: what lost must not be served."""
    one, other = written(engine(), 1), engine()
    other.replica.refresh()
    one.write(insert(7))
    with pytest.raises(Conflict):
        other.write(insert(8), refresh=False)

    other.replica.refresh(max_staleness=60)

    assert numbers(other) == [7]


def test_nothing_is_committed_on_a_state_that_was_not_read(engine: MakeEngine, store: FaultyStore) -> None:
    """Invariant 2; the line is `self.checked_at = _NEVER` in Freshness.reset."""
    written(engine(), 3)
    whole = store.get(key(2))
    overwrite(store, key(2), whole[:-1] + b"\0")
    store.delete("main/head.json")  # it has a copy
    cold = engine()
    with pytest.raises(SldbError, match="file checksum"):
        cold.replica.refresh()
    store.verbs()

    with pytest.raises(Conflict):
        cold.write(CREATE, refresh=False)

    assert store.verbs() == []


def test_a_replica_that_never_looked_commits_nothing(engine: MakeEngine, store: FaultyStore) -> None:
    with pytest.raises(Conflict):
        engine().write(CREATE, refresh=False)

    assert store.verbs() == []


def test_the_past_is_not_committed_on(engine: MakeEngine, store: FaultyStore) -> None:
    written(engine(), 3)
    past = engine()
    past.replica.open_at(3)

    with pytest.raises(Conflict):
        past.write(insert(4), refresh=False)


def test_every_moment_can_be_opened(engine: MakeEngine) -> None:
    one = engine()
    images = {}
    for n in range(1, 8):
        one.write(CREATE if n == 1 else insert(n))
        images[n] = one.image()
    past = engine()

    for n in (3, 1, 7, 2):
        past.replica.open_at(n)
        assert (past.replica.txid, past.image()) == (n, images[n])


@pytest.mark.parametrize("txid", [4, 1 << 62])
def test_the_future_is_not_found(engine: MakeEngine, txid: int) -> None:
    written(engine(), 3)

    with pytest.raises(SldbError, match=f"has no transaction {txid}; the newest is 3") as caught:
        engine().replica.open_at(txid)
    assert caught.value.code == "not_found"


def test_a_moment_that_was_compacted_away_is_not_found(engine: MakeEngine, store: FaultyStore, tmp_path: Path) -> None:
    """Nothing is damaged: retention took it."""
    written(engine(), 12)
    compact(store, LtxName(9, 1, 10), tmp_path)
    for txid in range(1, 11):
        store.delete(key(txid))
    past = engine()

    with pytest.raises(SldbError, match="has no transaction 7; the newest is 12") as caught:
        past.replica.open_at(7)
    assert caught.value.code == "not_found"
    assert past.replica.page_count == 0
    past.replica.open_at(11)
    assert numbers(past) == list(range(2, 12))


def test_no_database_has_no_past(engine: MakeEngine) -> None:
    with pytest.raises(SldbError) as caught:
        engine().replica.open_at(1)
    assert caught.value.code == "not_found"


def test_create_meets_what_is_there() -> None:
    """The fakes themselves: a plan runs out, and then the store works."""
    from tests.fakes.stores.memory import memory_store

    store = FaultyStore(memory_store())
    store.plan("create", clash)
    with pytest.raises(AlreadyExists):
        store.create("a", b"x")
    store.create("a", b"x")
    assert store.written == {"a": [b"x"]}
