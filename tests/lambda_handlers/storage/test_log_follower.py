"""The log follower: transactions, heads and LISTs, whole or damaged. Each docstring names the line that guards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.storage.log.keys import LtxName, head_key, snapshot, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.log_follower import PROBES_AT_ONCE, PROBES_BEFORE_CATCHING_UP, PROBES_BESIDE_HEAD
from lambda_handlers.storage.pages.opening import PARALLEL_READS
from lambda_handlers.store.protocol import NotFound
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import (
    FaultyStore,
    answers,
    lose_request,
    meanwhile,
    works,
)
from tests.lambda_handlers.storage.numbers_table import (
    CREATE,
    HALF,
    MakeEngine,
    insert,
    key,
    numbers,
    overwrite,
    written,
)


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


def test_who_knows_of_news_requests_as_many_as_its_pace_lets_expect(
    engine: MakeEngine, store: FaultyStore, clock: Clock
) -> None:
    one, other = written(engine(), 2), engine()
    other.replica.refresh()
    for seconds, written_now, asked in ((1, (3, 4), (3, 4, 5, 6)), (3, (5, 6, 7), (5, 6, 7, 8, 9))):
        clock.time += seconds
        for n in written_now:
            one.write(insert(n))
        store.calls.clear()
        other.replica.refresh(has_news=True)
        assert sorted(store.calls) == [("get_range", key(n)) for n in asked]
    assert numbers(other) == list(range(2, 8))


def test_who_expects_much_news_begins_with_the_head(engine: MakeEngine, store: FaultyStore, clock: Clock) -> None:
    one, other = written(engine(), 2), engine()
    other.replica.refresh()
    for first in (3, 15):
        clock.time += 1
        for n in range(first, first + 12):
            one.write(insert(n))
        store.calls.clear()
        other.replica.refresh(has_news=True)
    assert store.calls[0][0] == "get_with_tag"
    assert len(store.calls) <= 1 + 2 * PROBES_BESIDE_HEAD
    assert numbers(other) == list(range(2, 27))


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
    """The line is `max(…)` in LogFollower._listed: what looks empty would be written anew."""
    written(engine(), 3)
    compact(store, snapshot(3), tmp_path)
    for name in (head_key("main"), key(1), key(2), key(3)):
        store.store.delete(name)
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
    store.store.delete("main/head.json")  # it has a copy of the object
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
    store.store.delete("main/head.json")
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
    store.delete(head_key("main"))  # it has a copy

    with pytest.raises(SldbError, match="main/: page 3 as of transaction 1: got in no file of the chain") as caught:
        engine().replica.refresh()
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("verb", ["get_with_tag", "list_objects", "get", "get_range"])
def test_a_store_that_does_not_answer_is_no_empty_database(engine: MakeEngine, store: FaultyStore, verb: str) -> None:
    one = written(engine(), 3)
    if verb == "get_range":
        one.write("CREATE TABLE b(x)", "INSERT INTO b VALUES (randomblob(3000000))")
        store.delete(transaction(4).page_map_key("main"))
    if verb in ("list_objects", "get"):  # only without a head, which has copies
        store.delete(head_key("main"))
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


def always_ahead(writer: Engine, sooner: int) -> Callable[[], None]:
    """Return what makes the writer's next transactions: one with each request, and some more."""

    def write() -> None:
        for _ in range(1 + sooner):
            writer.write(insert(writer.replica.txid + 1))

    return write


@pytest.mark.parametrize("sooner", [0, 1, 3])
def test_writers_that_are_always_ahead_are_not_followed_without_end(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path, sooner: int
) -> None:
    """The line is `last = ...` in LogFollower._follow_list."""
    writer = written(Engine(store.store, tmp_path / "writer", clock.host()), 40)
    store.store.delete("main/head.json")
    reader = engine()
    store.plan("get_range", *[meanwhile(always_ahead(writer, sooner))] * 1000)
    reader.replica.refresh()
    writer.close()
    assert store.verbs().count("get_range") < 16 * PROBES_AT_ONCE
    assert 40 <= reader.replica.txid <= writer.replica.txid
    assert numbers(reader) == list(range(2, reader.replica.txid + 1))


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_a_pause_while_it_looks_how_far_the_log_goes_makes_it_list_again(
    engine: MakeEngine, store: FaultyStore, clock: Clock, tmp_path: Path, ahead: int
) -> None:
    """Meanwhile a transaction further on may have been merged and removed: its absence limits nothing."""
    writer = written(Engine(store.store, tmp_path / "writer", clock.host()), 40)
    store.store.delete("main/head.json")
    reader, write = engine(), meanwhile(always_ahead(writer, 3))

    def pause(name: str, act: Callable[[], Any]) -> Any:
        clock.time += HALF + 1
        act()
        raise NotFound(name)

    store.plan("get_range", *[write] * (PROBES_AT_ONCE + ahead), pause)
    reader.replica.refresh()
    assert store.verbs().count("list_objects") == 2
    assert numbers(reader) == list(range(2, writer.replica.txid + 1))
    writer.close()


def test_transactions_that_a_list_shows_are_followed_beyond_every_limit(engine: MakeEngine, store: FaultyStore) -> None:
    """The line is `max(…, plan.newest)` in LogFollower._follow_list: one false absence would seem to be damage."""
    written(engine(), 60)
    for info in list(store.list_objects("main/")):
        if not info.key.startswith("main/0000"):
            store.delete(info.key)
    shown = [info for info in store.list_objects("main/") if info.key != key(20)]
    store.plan("list_objects", answers(shown))

    def absent(name: str, act: Callable[[], Any]) -> Any:
        raise NotFound(name)

    store.plan("get_range", *[works] * PROBES_AT_ONCE, absent)
    cold = engine()
    cold.replica.refresh()
    assert numbers(cold) == list(range(2, 61))
