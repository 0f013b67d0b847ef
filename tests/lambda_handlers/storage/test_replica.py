"""The invariants of the log, each by a test that fails without it: its docstring says which line guards it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from lambda_handlers.host import Host
from lambda_handlers.storage.commit import COMMIT_TRIES, STREAM_BYTES, PageChanges
from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import LtxName, snapshot, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.log_follower import PROBES_AT_ONCE, PROBES_BEFORE_CATCHING_UP
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.opening import PARALLEL_READS
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.replica import Conflict
from lambda_handlers.store.protocol import AlreadyExists
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import (
    FaultyStore,
    answers,
    blame_own,
    clash,
    lose_answer,
    lose_request,
    meanwhile,
    never_leave,
    refuse,
    works,
)

MakeEngine: TypeAlias = Callable[..., Engine]
HALF = RETENTION_FLOOR_SECONDS / 2
CREATE = "CREATE TABLE t(n INTEGER)"
READING = ("get", "get_with_tag", "get_range", "size", "list_objects", "chunks")


def insert(n: int) -> str:
    return f"INSERT INTO t VALUES ({n})"


def numbers(engine: Engine) -> list[Any]:
    return [n for (n,) in engine.rows("SELECT n FROM t ORDER BY n")]


def key(txid: int) -> str:
    return transaction(txid).key("main")


def written(engine: Engine, count: int) -> Engine:
    """With `count` transactions: the table, then the numbers 2 to `count`."""
    engine.write(CREATE)
    for n in range(2, count + 1):
        engine.write(insert(n))
    return engine


def overwrite(store: FaultyStore, key: str, body: bytes) -> None:
    """What nobody of ours does: damage, or repair by hand."""
    store.store.delete(key)
    store.store.create(key, body)


# Commits


def test_the_first_transaction_is_one_object(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    one = engine()
    assert (one.replica.txid, one.replica.page_count) == (0, 0)

    assert one.write(CREATE) == 1

    assert list(store.written) == ["main/0000/0000000000000001-0000000000000001.ltx"]
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


def test_a_warm_commit_is_one_get_and_one_put(engine: MakeEngine, store: FaultyStore) -> None:
    one = written(engine(), 3)
    store.verbs()
    one.write(insert(4))

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


# The answer to the create


@pytest.mark.parametrize("fault", [lose_answer, blame_own])
def test_a_commit_whose_answer_got_lost_is_committed(engine: MakeEngine, store: FaultyStore, fault: Any) -> None:
    """Invariant 3; the line is `if _is_mine(...): return` in commit.create_transaction."""
    one = written(engine(), 2)
    store.verbs()
    store.plan("create", fault)

    assert one.write(insert(3)) == 3

    assert store.verbs() == ["get_range", "create", "get_range"]
    assert numbers(one) == [2, 3]
    assert one.write(insert(4)) == 4


@pytest.mark.parametrize("fault", [clash, lose_request])
def test_a_commit_that_never_arrived_is_sent_again(engine: MakeEngine, store: FaultyStore, fault: Any) -> None:
    """Invariant 3: absent is tried again; the line is the `for` in commit.create_transaction."""
    one = written(engine(), 2)
    store.verbs()
    store.plan("create", fault)

    assert one.write(insert(3)) == 3

    assert store.verbs() == ["get_range", "create", "get_range", "create"]
    assert len(store.written[key(3)]) == 1


def test_a_commit_that_arrives_late_is_still_ours(engine: MakeEngine, store: FaultyStore) -> None:
    """The request is on its way while nobody answers: it is applied after we looked, and before we send it again."""
    one = written(engine(), 2)
    held: list[Callable[[], Any]] = []

    def hold(key: str, act: Callable[[], Any]) -> Any:
        held.append(act)
        return lose_request(key, act)

    def arrive() -> None:
        held.pop()()

    store.plan("create", hold, meanwhile(arrive))

    assert one.write(insert(3)) == 3
    assert numbers(one) == [2, 3]
    assert len(store.written[key(3)]) == 1


@pytest.mark.parametrize("fault", [lose_request, clash])
def test_somebody_else_may_have_come_first_while_nobody_answered(
    engine: MakeEngine, store: FaultyStore, fault: Any
) -> None:
    one, other = written(engine(), 2), engine()

    def race(key: str, act: Callable[[], Any]) -> Any:
        other.write(insert(77))
        return fault(key, act)

    store.plan("create", race)
    with pytest.raises(Conflict):
        one.write(insert(3))

    one.replica.refresh()
    assert numbers(one) == [2, 77]


@pytest.mark.parametrize("fault", [clash, lose_request])
def test_a_store_that_never_takes_it_leaves_it_open(engine: MakeEngine, store: FaultyStore, fault: Any) -> None:
    """Absent each time it was looked for; but a request may be on its way still."""
    one = written(engine(), 2)
    store.plan("create", *[fault] * COMMIT_TRIES)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3))

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": "unknown"})
    assert "request_id" in caught.value.hint
    assert one.write(insert(4)) == 3
    assert numbers(one) == [2, 4]


@pytest.mark.parametrize("doubt", [lose_answer, lose_request, clash, blame_own])
@pytest.mark.parametrize("silence", [lose_request, refuse])
def test_when_the_store_cannot_be_asked_it_is_not_known(
    engine: MakeEngine, store: FaultyStore, doubt: Any, silence: Any
) -> None:
    """Invariant 3: neither success nor failure; the line is `applied="unknown"` in commit._is_mine."""
    one = written(engine(), 2)
    one.replica.refresh()
    store.plan("create", doubt)
    store.plan("get_range", silence)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3), refresh=False)

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": "unknown"})
    one.replica.refresh()
    assert numbers(one) == ([2, 3] if store.written[key(3)] else [2])


def test_what_was_refused_was_not_applied(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `except Refused` in commit.create_transaction: no second try, and a definite answer, once the key has
    been looked at: it may be the refusal of a second try below, whose first was applied."""
    one = written(engine(), 2)
    store.verbs()
    store.plan("create", refuse)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3))

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": "no"})
    assert store.verbs() == ["get_range", "create", "get_range"]
    assert numbers(one) == [2]
    assert one.write(insert(4)) == 3


@pytest.mark.parametrize(("before", "applied"), [([], "no"), ([lose_request], "unknown"), ([clash], "unknown")])
def test_what_never_left_was_not_applied(
    engine: MakeEngine, store: FaultyStore, before: list[Any], applied: str
) -> None:
    """The line is `error.is_unmade` in commit.create_transaction; a try before it may have arrived."""
    one = written(engine(), 2)
    one.replica.refresh()
    store.plan("create", *before, never_leave)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3), refresh=False)

    assert (caught.value.code, caught.value.details) == ("store_error", {"key": key(3), "applied": applied})
    assert one.write(insert(3)) == 3


def test_a_refusal_after_a_doubt_leaves_it_open(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `"unknown" if doubt else "no"` in commit.create_transaction: the first try may still arrive."""
    one = written(engine(), 2)
    store.plan("create", lose_request, refuse)

    with pytest.raises(SldbError) as caught:
        one.write(insert(3))

    assert caught.value.details["applied"] == "unknown"


@pytest.mark.parametrize("lost", [[], [lose_request]], ids=["at first", "after a doubt"])
def test_what_cannot_be_read_for_another_try_leaves_it_open(
    engine: MakeEngine, store: FaultyStore, lost: list[Any]
) -> None:
    """The lines are `except Exception` in commit.create_transaction: that error speaks for its own try alone."""
    one = written(engine(), 2)
    store.plan("create_from", *lost)

    def fail() -> Iterator[tuple[Pgno, bytes]]:
        raise SldbError("query_timeout", "the time was up", applied="no")
        yield

    with pytest.raises(SldbError) as caught:
        one.replica.commit(PageChanges(4096, one.replica.page_count, fail, STREAM_BYTES))
    code, applied = ("store_error", "unknown") if lost else ("query_timeout", "no")
    assert (caught.value.code, caught.value.details.get("applied")) == (code, applied)


@pytest.mark.parametrize("body", [b"", b"rubbish", b"x" * 500])
def test_rubbish_where_the_transaction_belongs_is_named(engine: MakeEngine, store: FaultyStore, body: bytes) -> None:
    one = written(engine(), 2)
    one.replica.refresh()
    store.store.create(key(3), body)

    with pytest.raises(SldbError, match=key(3)) as caught:
        one.write(insert(3), refresh=False)
    assert caught.value.code == "corrupt"

    store.store.delete(key(3))
    assert one.write(insert(4)) == 3
    assert numbers(one) == [2, 4]


def test_timestamps_never_go_back(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    """Nor do they stay: a time tells a transaction from the one before it."""
    one = written(engine(), 1)
    clock.time -= 500
    one.write(insert(2))
    clock.time += 1000
    one.write(insert(3))

    stamps = [Header.decode(store.get(key(n)), key(n)).timestamp_ms for n in (1, 2, 3)]
    assert stamps == [1_800_000_000_000, 1_800_000_000_001, 1_800_000_500_000]


# Freshness


def test_a_container_that_was_frozen_commits_nothing_before_it_looks(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    """Invariant 5; the line is that of Freshness.may_commit.

    While it was frozen, n + 1 came, was compacted and removed: to create n + 1 again would succeed, and lose.
    """
    frozen = written(engine(), 2)
    frozen.replica.refresh()
    clock.time += 3 * RETENTION_FLOOR_SECONDS
    store.verbs()

    with pytest.raises(Conflict):
        frozen.write(insert(99), refresh=False)

    assert store.verbs() == []
    frozen.replica.refresh(max_staleness=10 * RETENTION_FLOOR_SECONDS)  # what was in doubt is not merely stale
    assert store.verbs() == ["list_objects", "get_range"]


def test_a_container_that_thaws_finds_what_was_compacted(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    """Invariant 5; the line is `is_known(now)` in LogFollower.follow: the probe alone would say "current"."""
    frozen, other = written(engine(), 2), engine()
    other.write(insert(3))
    other.write(insert(4))
    compact(store, LtxName(9, 1, 4), tmp_path)
    for txid in (1, 2, 3, 4):
        store.delete(key(txid))
    clock.time += 3 * RETENTION_FLOOR_SECONDS

    assert frozen.write(insert(5)) == 5

    assert numbers(frozen) == [2, 3, 4, 5]


def test_a_container_that_thaws_follows_no_transaction_that_was_created_again(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    """Another one that was frozen has created n + 1 where that was removed, and what follows n + 1 is there."""
    thawing, other = written(engine(), 2), engine()
    late = engine()
    late.replica.refresh()
    for statement in (insert(3), "CREATE TABLE other (x)", "INSERT INTO other VALUES (5)"):
        other.write(statement)
    compact(store, LtxName(2, 4, 5), tmp_path)
    compact(store, LtxName(9, 1, 5), tmp_path)
    for txid in (1, 2, 3, 4, 5):
        store.delete(key(txid))
    assert late.write(insert(99), refresh=False) == 3
    clock.time += 3 * RETENTION_FLOOR_SECONDS

    thawing.replica.refresh()
    assert thawing.replica.txid == 5
    assert numbers(thawing) == [2, 3]


@pytest.mark.parametrize("is_cold", [False, True])
def test_a_transaction_that_came_after_a_pause_is_not_followed(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path, is_cold: bool
) -> None:
    """It may be one that was created again: here the newest, so that nothing behind it tells."""
    thawing, other, late = written(engine(), 2), engine(), engine()
    late.replica.refresh()

    def pause(_key: str, act: Any) -> Any:
        other.write(insert(3))
        compact(store, LtxName(9, 1, 3), tmp_path)
        for txid in (1, 2, 3):
            store.delete(key(txid))
        assert late.write(insert(99), refresh=False) == 3
        clock.time += 3 * RETENTION_FLOOR_SECONDS
        return act()

    if is_cold:
        thawing = engine()
    store.plan("get_range", pause)
    thawing.replica.refresh()
    assert numbers(thawing) == [2, 3]


def compacted_away(one: Engine, store: FaultyStore, clock: Clock, directory: Path) -> Callable[[], None]:
    """What the rest of the world does while somebody stands still for hours: write, compact, remove."""

    def meanwhile() -> None:
        one.write(insert(3))
        one.write(insert(4))
        compact(store, LtxName(9, 1, 4), directory)
        for txid in (1, 2, 3, 4):
            store.delete(key(txid))
        clock.time += 3 * RETENTION_FLOOR_SECONDS

    return meanwhile


@pytest.mark.parametrize("is_cold", [False, True])
def test_who_stands_still_while_he_asks_does_not_believe_the_answer(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path, is_cold: bool
) -> None:
    """Invariant 5; the line is LogFollower._is_believable: the age was right before the question, and when the answer
    came, transaction n + 1 had come and gone."""
    other, reader = written(engine(), 2), engine()
    if is_cold:  # begins from a head
        put_head(store, 2, clock.time)
    else:
        reader.replica.refresh()
    store.plan("get_range", meanwhile(compacted_away(other, store, clock, tmp_path)))

    reader.replica.refresh()

    assert numbers(reader) == [2, 3, 4]


def put_head(store: FaultyStore, txid: int, checked_at: float) -> None:
    """A head of which every file is a transaction."""
    names = [transaction(number) for number in range(1, txid + 1)]
    files = tuple(HeadFile(name, store.size(name.key("main")), is_mapped=False) for name in names)
    store.put("main/head.json", Head(txid, checked_at, 0, files).encode("main"))


def test_who_stands_still_while_he_commits_is_not_told_that_he_has(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path
) -> None:
    """Invariant 5; the lines are those on `took` in Replica._create: the create met the gap that retention left."""
    other, writer = written(engine(), 2), engine()
    writer.replica.refresh()
    store.plan("create", meanwhile(compacted_away(other, store, clock, tmp_path)))

    with pytest.raises(SldbError) as caught:
        writer.write(insert(99), refresh=False)

    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "unknown")
    writer.replica.refresh()
    assert numbers(writer) == [2, 3, 4]
    assert writer.write(insert(5)) == 5


def test_a_warm_reader_of_an_unchanged_database_asks_once(engine: MakeEngine, store: FaultyStore) -> None:
    one = written(engine(), 3)
    one.replica.refresh()
    store.calls.clear()

    one.replica.refresh()

    assert store.calls == [("get_range", key(4))]


def test_a_reader_follows_transaction_by_transaction(engine: MakeEngine, store: FaultyStore) -> None:
    one, other = written(engine(), 2), engine()
    other.replica.refresh()
    for n in (3, 4, 5):
        one.write(insert(n))
    store.calls.clear()

    other.replica.refresh()

    assert store.calls == [("get_range", key(n)) for n in (3, 4, 5, 6)]
    assert numbers(other) == [2, 3, 4, 5]


def test_a_reader_far_behind_follows_the_head(engine: MakeEngine, store: FaultyStore) -> None:
    one, other = written(engine(), 1), engine()
    other.replica.refresh()
    for n in range(2, 60):
        one.write(insert(n))
    store.verbs()

    other.replica.refresh()

    verbs = store.verbs()
    assert "list_objects" not in verbs
    assert len(verbs) < 1 + PROBES_BEFORE_CATCHING_UP + 1 + 3 + 1 + PROBES_AT_ONCE
    assert numbers(other) == list(range(2, 60))


def test_a_reader_far_behind_lists_where_there_is_no_head(engine: MakeEngine, store: FaultyStore) -> None:
    one, other = written(engine(), 1), engine()
    other.replica.refresh()
    for n in range(2, 60):
        one.write(insert(n))
    store.store.delete("main/head.json")
    store.verbs()

    other.replica.refresh()

    assert store.verbs().count("list_objects") == 1
    assert numbers(other) == list(range(2, 60))


def test_half_the_floor_after_the_last_list_it_lists_again(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    """Probes in between do not count: the lines are `self._freshness.known_at = ...` in LogFollower, and no others."""
    one = written(engine(), 2)
    for _ in range(3):
        clock.time += HALF / 3
        store.verbs()
        one.replica.refresh()
        assert store.verbs() == ["get_range"]
    clock.time += 1
    one.replica.refresh()

    assert store.verbs() == ["list_objects", "get_range"]
    one.replica.refresh()
    assert store.verbs() == ["get_range"]


@pytest.mark.parametrize("step", [-1 - SKEW_SECONDS, -86400, 365 * 86400])
def test_a_clock_that_jumps_makes_it_list(engine: MakeEngine, store: FaultyStore, clock: Clock, step: float) -> None:
    """The lines are `<= now - known_at` in is_fresh and the `0 <=` in Freshness.may_commit: no age is known."""
    one = written(engine(), 2)
    clock.time += step
    store.verbs()
    with pytest.raises(Conflict):
        one.write(insert(3), refresh=False)
    one.replica.refresh(max_staleness=60)

    assert store.verbs() == ["list_objects", "get_range"]
    assert one.write(insert(3)) == 3


def test_within_max_staleness_nothing_is_asked(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    one, other = written(engine(), 2), engine()
    other.replica.refresh()
    one.write(insert(3))
    store.verbs()

    clock.time += 10
    other.replica.refresh(max_staleness=10)
    assert store.verbs() == []
    assert numbers(other) == [2]

    clock.time += 0.5
    other.replica.refresh(max_staleness=10)
    assert store.verbs() == ["get_range"] * 2
    assert numbers(other) == [2, 3]


def test_staleness_counts_from_the_question_not_from_the_answer(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    one = written(engine(), 2)
    one.replica.refresh()
    store.plan("get_range", meanwhile(lambda: clock.sleep(30)))
    one.replica.refresh()
    store.verbs()

    one.replica.refresh(max_staleness=20)

    assert store.verbs() == ["get_range"]
    clock.time += HALF
    store.plan("list_objects", meanwhile(lambda: clock.sleep(30)))
    one.replica.refresh()
    store.verbs()

    one.replica.refresh(max_staleness=20)

    assert store.verbs() == ["get_range"]


# Reading the chain


def test_a_cold_open_without_head_and_folds_reads_all_in_parallel(
    engine: MakeEngine, store: FaultyStore, tmp_path: Path
) -> None:
    """As when Litestream wrote them."""
    written(engine(), 300)
    for info in list(store.list_objects("main/")):
        if not info.key.startswith("main/0000"):
            store.delete(info.key)
    cold = Engine(store, tmp_path / "cold", Host())  # with real threads
    together = threading.Barrier(PARALLEL_READS)
    # The first reads wait for each other: one after the other they would wait forever.
    store.plan("get", *[meanwhile(lambda: together.wait(30))] * PARALLEL_READS)
    store.verbs()
    cold.replica.refresh()

    verbs = store.verbs()
    assert (verbs.count("list_objects"), verbs.count("get"), len(verbs)) == (1, 300, 303)
    assert numbers(cold) == list(range(2, 301))
    assert cold.is_sound()


def test_a_large_file_without_page_map_is_read_whole_while_it_arrives(engine: MakeEngine, store: FaultyStore) -> None:
    one = engine()
    one.write(CREATE, "CREATE TABLE b(x)")
    one.write(insert(1), "INSERT INTO b VALUES (randomblob(3000000))")
    store.delete(transaction(2).page_map_key("main"))
    store.delete("main/head.json")
    cold = engine()
    store.verbs()
    cold.replica.refresh()

    calls = list(store.calls)
    assert calls.count(("get_range", transaction(2).key("main"))) == 1
    assert calls.count(("create", transaction(2).page_map_key("main"))) == 1
    assert cold.image() == one.image()


def test_a_merged_file_and_a_snapshot_are_read_instead(engine: MakeEngine, store: FaultyStore, tmp_path: Path) -> None:
    one = written(engine(), 20)
    for hint in ("main/head.json", LtxName(1, 1, 16).key("main")):
        store.delete(hint)
    compact(store, LtxName(9, 1, 8), tmp_path)
    compact(store, LtxName(1, 9, 18), tmp_path)
    for txid in range(1, 19):
        store.delete(key(txid))
    cold = engine()
    store.calls.clear()
    cold.replica.refresh()

    assert sorted(name for verb, name in store.calls if verb == "get") == [
        key(19),
        key(20),
        LtxName(1, 9, 18).key("main"),
        LtxName(9, 1, 8).key("main"),
    ]
    assert cold.image() == one.image()


def test_pages_that_were_cut_off_do_not_come_back(engine: MakeEngine, store: FaultyStore, tmp_path: Path) -> None:
    """The line is `del self._holder[page_count:]` in Layers.add."""
    one, other = engine(), engine()
    one.write(CREATE, "CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(100000))")
    other.replica.refresh()
    one.write("DROP TABLE big")
    one.vacuum()
    for n in range(50):
        one.write(insert(n), "CREATE TABLE IF NOT EXISTS big(x)", f"INSERT INTO big VALUES (zeroblob({n * 500}))")
    compact(store, LtxName(1, 2, 30), tmp_path)

    for reader in (other, engine()):
        reader.replica.refresh()
        assert reader.image() == one.image()
        assert reader.is_sound()


def test_a_file_that_grows_the_database_must_bring_its_pages(engine: MakeEngine, store: FaultyStore) -> None:
    """What was cut off before is no page of it: the line is `del self._holder[page_count:]` in Layers.add."""
    for txid, (commit, pgnos) in enumerate([(5, (1, 2, 3, 4, 5)), (2, (1,)), (5, (1, 5))], start=1):
        pages = [(Pgno(pgno), bytes([txid]) * 512) for pgno in pgnos]
        store.create(key(txid), encode_ltx(Header(512, commit, txid, txid, 0), pages))

    with pytest.raises(SldbError, match="page 3 as of transaction 3"):
        engine().replica.refresh()


def without(*hidden: str) -> Any:
    """A LIST in whose answer the names of some objects are damaged."""
    return lambda key, act: [info for info in act() if info.key not in hidden]


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("hidden", [3, 4])
def test_what_a_list_does_not_show_is_asked_for(
    engine: MakeEngine, store: FaultyStore, clock: Clock, hidden: int, is_warm: bool
) -> None:
    """The line is `following = ...` in LogFollower._follow_list: one damaged name would make a read stale."""
    one, other = written(engine(), 2), engine()
    if is_warm:
        other.replica.refresh()
    one.write(insert(3))
    one.write(insert(4))
    clock.time += HALF + 1

    store.plan("list_objects", without(key(hidden)))
    other.replica.refresh()

    assert numbers(other) == [2, 3, 4]


def test_a_database_of_one_file_is_not_empty_because_a_list_hides_it(
    engine: MakeEngine, store: FaultyStore, tmp_path: Path
) -> None:
    """The line is `files = files or …` in LogFollower._follow_list: what looks empty would be written anew."""
    written(engine(), 3)
    compact(store, snapshot(3), tmp_path)
    for txid in (1, 2, 3):
        store.store.delete(key(txid))
    other = engine()
    store.plan("list_objects", without(snapshot(3).key("main")))
    other.replica.refresh()
    assert numbers(other) == [2, 3]


def test_a_moment_that_a_list_does_not_show_is_asked_for(engine: MakeEngine, store: FaultyStore) -> None:
    written(engine(), 4)
    past = engine()
    store.plan("list_objects", without(key(3), key(4)))
    past.replica.open_at(4)
    assert past.replica.txid == 4


def test_a_list_that_shows_a_later_transaction_but_not_the_one_before(engine: MakeEngine, store: FaultyStore) -> None:
    """A LIST of many pages is no snapshot; the line is the `while` in LogFollower._follow_list."""
    written(engine(), 5)
    shown = [info for info in store.list_objects("main/") if info.key not in (key(3), key(4))]
    store.plan("list_objects", answers(shown))
    cold = engine()

    cold.replica.refresh()

    assert numbers(cold) == [2, 3, 4, 5]


def test_foreign_objects_are_ignored(engine: MakeEngine, store: FaultyStore) -> None:
    written(engine(), 2)
    for name in ("main/lock.json", "main/0000/readme.txt", "main/0000/0000000000000003-0000000000000003.ltx.tmp"):
        store.create(name, b"not ours")
    store.create("main-2/0000/0000000000000003-0000000000000003.ltx", b"of another database")
    cold = engine()
    cold.replica.refresh()

    assert (cold.replica.txid, numbers(cold)) == (2, [2])


def test_databases_are_apart(engine: MakeEngine) -> None:
    one, other = engine(database="a"), engine(database="a-b")
    one.write(CREATE, insert(1))
    other.write(CREATE, insert(2), insert(3))

    assert (numbers(one), numbers(other)) == ([1], [2, 3])


def flip(body: bytes) -> bytes:
    return body[:120] + bytes([body[120] ^ 4]) + body[121:]


def other_txids(body: bytes) -> bytes:
    """A whole file, but another's."""
    decoder = Decoder([body], "")
    pages = list(decoder.pages())
    header = decoder.header
    return encode_ltx(Header(header.page_size, header.commit, 7, 7, header.timestamp_ms), pages)


def other_page_size(body: bytes) -> bytes:
    header = Decoder([body], "").header
    return encode_ltx(Header(512, 2, header.min_txid, header.max_txid, header.timestamp_ms), [(Pgno(1), bytes(512))])


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (flip, "file checksum|page"),
        (lambda body: body[:-30], "end|length|file checksum"),
        (lambda body: body[:50], "length"),
        (lambda body: b"", "length"),
        (lambda body: b"not a database at all " * 20, "magic"),
        (other_txids, "txids in the file: got 7 to 7, want those of its key"),
        (other_page_size, "page size: got 512, want 4096"),
    ],
    ids=["bit", "truncated", "header cut", "empty", "foreign", "misplaced", "page size"],
)
@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])
def test_a_damaged_object_is_named_and_nothing_of_it_is_served(
    engine: MakeEngine, store: FaultyStore, damage: Callable[[bytes], bytes], what: str, is_warm: bool
) -> None:
    """Invariant 7; the line is `self.forget()` under `except BaseException` in LocalPages._all_or_nothing."""
    one, reader = written(engine(), 2), engine()
    if is_warm:
        reader.replica.refresh()
    one.write(insert(3))
    one.write(insert(4))
    whole = store.get(key(3))
    overwrite(store, key(3), damage(whole))

    for _ in range(2):
        with pytest.raises(SldbError, match=f"{key(3)}: ({what})") as caught:
            reader.replica.refresh()
        assert (caught.value.code, caught.value.details["key"]) == ("corrupt", key(3))
        assert reader.replica.page_count == 0
        with pytest.raises(LookupError):
            reader.replica.read(Pgno(1))

    overwrite(store, key(3), whole)
    reader.replica.refresh()
    assert numbers(reader) == [2, 3, 4]
    assert reader.write(insert(5)) == 5


def test_a_missing_object_is_named(engine: MakeEngine, store: FaultyStore) -> None:
    written(engine(), 4)
    whole = store.get(key(3))
    store.store.delete(key(3))
    cold = engine()

    with pytest.raises(
        SldbError, match=f"{key(3)}: transaction: got no object, want one, because there is.* 4"
    ) as caught:
        cold.replica.refresh()
    assert caught.value.code == "corrupt"
    assert (cold.replica.txid, cold.replica.page_count) == (0, 0)

    store.store.create(key(3), whole)
    cold.replica.refresh()
    assert numbers(cold) == [2, 3, 4]


def test_a_history_that_got_shorter_is_not_believed(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    """The newest transaction was deleted; the line is `if plan.newest < …` in LogFollower._follow_list."""
    one = written(engine(), 4)
    store.store.delete(key(4))
    clock.time += HALF + 1

    with pytest.raises(SldbError, match="main/: newest transaction: got 3, want 4, which was there before") as caught:
        one.replica.refresh()
    assert caught.value.code == "corrupt"

    one.replica.refresh()
    assert numbers(one) == [2, 3]


def test_a_snapshot_without_all_its_pages_is_not_served(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `self._check_complete()` in LocalPages.apply."""
    one = engine()
    one.write(CREATE, "CREATE TABLE b(x)", "INSERT INTO b VALUES (randomblob(20000))")
    decoder = Decoder([store.get(key(1))], "")
    pages = [(pgno, page) for pgno, page in decoder.pages() if pgno != 3]
    overwrite(store, key(1), encode_ltx(decoder.header, pages))

    with pytest.raises(SldbError, match="main/: page 3 as of transaction 1: got in no file of the chain") as caught:
        engine().replica.refresh()
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("verb", ["get_with_tag", "list_objects", "get", "get_range"])
def test_a_store_that_does_not_answer_is_no_empty_database(engine: MakeEngine, store: FaultyStore, verb: str) -> None:
    one = written(engine(), 3)
    if verb == "get_range":
        one.write("CREATE TABLE b(x)", "INSERT INTO b VALUES (randomblob(3000000))")
        store.delete(transaction(4).page_map_key("main"))
    cold = engine()
    store.plan(verb, lose_request)

    with pytest.raises(SldbError) as caught:
        cold.replica.refresh()

    assert caught.value.code == "store_error"
    assert caught.value.details["applied"] == "no"
    cold.replica.refresh()
    assert cold.replica.txid > 0


def test_a_warm_reader_that_gets_no_answer_says_so(engine: MakeEngine, store: FaultyStore) -> None:
    one = written(engine(), 2)
    store.plan("get_range", lose_request)

    with pytest.raises(SldbError) as caught:
        one.replica.refresh()

    assert (caught.value.code, caught.value.details["key"]) == ("store_error", key(3))
    one.replica.refresh()
    assert numbers(one) == [2]


# The local disk


class FullDisk(OSError):
    pass


def test_a_full_disk_is_told_and_forgotten(engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    written(engine(), 3)
    cold = engine()

    def fail(*_: object) -> None:
        raise FullDisk("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PageCache, "write", fail)
        with pytest.raises(SldbError, match="No space left") as caught:
            cold.replica.refresh()
    assert caught.value.code == "too_large"
    assert "--ephemeral-storage" in caught.value.hint

    cold.replica.refresh()
    assert numbers(cold) == [2, 3]


@pytest.mark.parametrize("failure", [FullDisk("No space left on device"), MemoryError()], ids=["disk", "memory"])
def test_half_of_a_transaction_is_not_served_to_who_accepts_an_old_state(
    engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The lines are `self.forget()` in LocalPages._all_or_nothing: a copy that is young may have new pages in it."""
    reader, writer = written(engine(), 2), engine()
    reader.replica.refresh()
    reader.image()
    writer.write(*(f"INSERT INTO t SELECT {n} FROM t" for n in range(3, 14)))
    really_write = PageCache.write

    def fail_at_the_second_page(self: PageCache, pgno: Pgno, page: bytes) -> None:
        if pgno > 1:
            raise failure
        really_write(self, pgno, page)

    with monkeypatch.context() as patched:
        patched.setattr(PageCache, "write", fail_at_the_second_page)
        with pytest.raises((SldbError, MemoryError)):
            reader.replica.refresh()
    reader.replica.refresh(max_staleness=60)
    assert reader.image() == writer.image()


def test_what_a_large_transaction_changed_is_not_read_from_the_cache(engine: MakeEngine) -> None:
    """The line is `self._cache.drop(pgno)` in Replica._stand_on: the pages of a large file come when they are read."""
    writer, reader = engine(), engine(limit_bytes=64 << 20)
    writer.write(
        "CREATE TABLE t(n INTEGER PRIMARY KEY, x)",
        "WITH i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2500) "
        "INSERT INTO t SELECT n, randomblob(3900) FROM i",
    )
    reader.replica.refresh()
    assert reader.image() == writer.image()
    writer.write("UPDATE t SET x = randomblob(3900)")
    reader.replica.refresh()
    assert reader.image() == writer.image()


@pytest.mark.parametrize("failure", [FullDisk, KeyboardInterrupt, MemoryError])
def test_what_cannot_be_kept_after_a_commit_is_forgotten(
    engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    """Invariant 7: half of a transaction in the local copy would be served as its old state."""
    one = written(engine(), 3)
    cache, really_write = one.replica._pages._cache, PageCache.write

    def fail_at_the_second_page(self: PageCache, pgno: Pgno, page: bytes) -> None:
        if self is cache and pgno > 1:
            raise failure
        really_write(self, pgno, page)

    with monkeypatch.context() as patched:
        patched.setattr(PageCache, "write", fail_at_the_second_page)
        if failure is not KeyboardInterrupt:
            assert one.write(insert(4)) == 4  # committed all the same
        else:
            with pytest.raises(failure):
                one.write(insert(4))

    one.replica.refresh(max_staleness=1000)
    assert numbers(one) == [2, 3, 4]


# The past


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
