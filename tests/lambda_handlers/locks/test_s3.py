from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.locks import s3
from lambda_handlers.locks.line import LEAVE_SECONDS, IsFree, Place
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.shared.lock_holder import OBJECT_VERSION, lock_key
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.flaky import FlakyStore, WriteFault
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

MAX_AGE = 90.0
UNCLEAR = [fault for fault in WriteFault if fault is not WriteFault.REFUSE]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore(memory_store())


@pytest.fixture
def lock(store: FlakyStore, clock: Clock) -> ObjectLock:
    return make_lock(store, clock)


def make_lock(store: ObjectStore, clock: Clock) -> ObjectLock:
    return ObjectLock(store, clock.host(), max_age_seconds=MAX_AGE, retry_seconds=1.0)


def body(store: ObjectStore) -> dict[str, object]:
    fields = unseal(store.get(lock_key("main")), lock_key("main"))
    assert fields is not None
    return fields


class TestTheObject:
    def test_says_who_and_then_that_nobody(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        holder = lock.acquire("main", clock.now(), "INSERT users")
        assert body(store) == {
            "version": 2,
            "owner": holder.lock_id,
            "created_at": clock.now(),
            "doing": "INSERT users",
            "database": "main",
        }
        lock.release(holder.lock_id, "main")
        assert body(store) == {
            "version": 2,
            "owner": None,
            "released": holder.lock_id,
            "released_at": clock.now(),
            "database": "main",
        }

    def test_has_another_etag_each_time(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        etags = set()
        for _ in range(5):  # all at the same moment
            holder = lock.acquire("main", clock.now(), "")
            etags.add(store.get_with_tag(lock_key("main"))[1])
            lock.release(holder.lock_id, "main")
            etags.add(store.get_with_tag(lock_key("main"))[1])
        assert len(etags) == 10

    @pytest.mark.parametrize(
        "garbage", [b"", b"\xff", b"[]", b"null", b"{", b'{"owner": 5}', b'{"owner": ""}', b'{"created_at": 1}']
    )
    def test_that_cannot_be_read_is_nobodys(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock, garbage: bytes
    ) -> None:
        store.create(lock_key("main"), garbage)
        assert lock.holders() == []
        holder = lock.acquire("main", clock.now(), "")
        assert body(store)["owner"] == holder.owner

    @pytest.mark.parametrize("created_at", ["x", None, float("nan"), float("inf")])
    def test_without_a_time_is_nobodys(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock, created_at: object
    ) -> None:
        """No writer ever put one: it would stop all others for ever."""
        fields = {"version": OBJECT_VERSION, "owner": "abc", "created_at": created_at, "database": "main"}
        store.create(lock_key("main"), seal(fields, lock_key("main")))
        assert lock.holders() == []
        holder = lock.acquire("main", clock.now(), "")
        assert body(store)["owner"] == holder.owner


class TestDamage:
    def test_of_any_bit_makes_it_nobodys(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        key = lock_key("main")
        make_lock(store, clock).acquire("main", clock.now(), "INSERT users")
        taken = store.get(key)
        for bit in range(8 * len(taken)):
            damaged = bytearray(taken)
            damaged[bit // 8] ^= 1 << bit % 8
            store.put(key, bytes(damaged))
            assert make_lock(store, clock).holders() == []
        holder = lock.acquire("main", clock.now(), "")
        assert body(store)["owner"] == holder.owner

    def test_of_an_answer_frees_nothing(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        """The line is `for _ in range(2)` in ObjectLock._read: a lock that was taken is there at the second look."""
        holder = make_lock(store, clock).acquire("main", clock.now(), "")
        reads, read = [], store.get_with_tag

        def damaged_once(key: str) -> tuple[bytes, str]:
            data, etag = read(key)
            reads.append(key)
            return (data.replace(b'"owner"', b'"0wner"') if len(reads) == 1 else data), etag

        store.get_with_tag = damaged_once  # type: ignore[method-assign]  # the fake's own
        with pytest.raises(SldbError) as caught:
            lock.acquire("main", clock.now(), "")
        assert caught.value.details["holder"]["owner"] == holder.owner

    def test_by_a_lock_of_another_database(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        make_lock(store, clock).acquire("other", clock.now(), "")
        store.create(lock_key("main"), store.get(lock_key("other")))
        assert [holder.database for holder in lock.holders()] == ["other"]

    def test_under_its_holder_is_told_to_nobody_and_harms_nobody(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock
    ) -> None:
        first = lock.acquire("main", clock.now(), "")
        store.put(lock_key("main"), b"damaged")
        second = make_lock(store, clock).acquire("main", clock.now(), "")
        assert lock.release(first.lock_id, "main") is False
        assert body(store)["owner"] == second.owner


class TestRequests:
    def test_of_a_lock_that_nobody_else_wants(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        for _ in range(3):
            holder = lock.acquire("main", clock.now(), "")
            lock.release(holder.lock_id, "main")
        assert store.calls == ["get", "create", "replace", "replace", "replace", "replace", "replace"]

    def test_of_a_wait_are_reads(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        make_lock(store, clock).acquire("main", clock.now(), "")
        store.calls.clear()
        with pytest.raises(SldbError):
            lock.acquire("main", clock.now() + 10, "")
        assert set(store.calls) == {"get"}
        assert 30 <= len(store.calls) <= 60


def waiting_since(clock: Clock, lock: ObjectLock, seconds: float) -> Place:
    """Return the place of a writer that has waited for so long."""
    place = Place(clock.host())
    place.pause_for("another", 0.0, 0.02, 0.25)
    clock.time += seconds
    return place


class TestTheLine:
    def test_who_had_to_wait_says_so(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        holder = lock.acquire("main", clock.now(), "", waiting_since(clock, lock, 3.0))
        assert body(store)["waited"] == 3.0
        lock.release(holder.lock_id, "main")
        assert body(store)["waited"] == 3.0

    def test_who_has_just_released_it_leaves_it_to_those_who_wait(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock
    ) -> None:
        lock.release(lock.acquire("main", clock.now(), "", waiting_since(clock, lock, 3.0)).lock_id, "main")
        other, order = make_lock(store, clock), []

        def take() -> None:
            order.append("other")
            holder = other.acquire("main", clock.now() + 1, "", waiting_since(clock, other, 2.5))
            clock.at(clock.now() + 0.1, lambda: other.release(holder.lock_id, "main"))

        clock.at(clock.now() + 0.02, take)
        lock.acquire("main", clock.now() + 60, "")
        assert order == ["other"]

    def test_who_has_waited_as_long_takes_it_at_once(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        lock.release(lock.acquire("main", clock.now(), "", waiting_since(clock, lock, 3.0)).lock_id, "main")
        other = make_lock(store, clock)
        place = waiting_since(clock, other, 2.5)
        clock.sleeps.clear()
        other.acquire("main", clock.now() + 60, "", place)
        assert clock.sleeps == []

    def test_is_over_if_nobody_takes_what_was_left(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        lock.release(lock.acquire("main", clock.now(), "", waiting_since(clock, lock, 3.0)).lock_id, "main")
        for _ in range(6):
            lock.release(lock.acquire("main", clock.now() + 60, "").lock_id, "main")
        assert sum(clock.sleeps) <= 6 * 1.25 * LEAVE_SECONDS
        clock.sleeps.clear()
        store.calls.clear()
        lock.release(lock.acquire("main", clock.now() + 60, "").lock_id, "main")
        assert (store.calls, clock.sleeps) == (["replace", "replace"], [])

    def test_tells_that_it_is_free_before_it_is_taken(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        other = make_lock(store, clock)
        holder = other.acquire("main", clock.now(), "")
        clock.at(clock.now() + 1, lambda: other.release(holder.lock_id, "main"))
        place = Place(clock.host(), tells=True)
        with pytest.raises(IsFree):
            lock.acquire("main", clock.now() + 60, "", place)
        assert lock.holders() == []
        store.calls.clear()
        assert lock.acquire("main", clock.now() + 60, "", place).lock_id == place.nonce
        assert store.calls == ["replace"]

    def test_tells_nothing_while_it_may_be_taken_already(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock
    ) -> None:
        """Nobody would give it back if the request ended here."""
        lock.release(lock.acquire("main", clock.now(), "").lock_id, "main")
        store.faults.append(WriteFault.LOSE_REQUEST)
        place = Place(clock.host(), tells=True)
        assert lock.acquire("main", clock.now() + 60, "", place).lock_id == place.nonce


class TestAWriteWithoutAClearAnswer:
    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_of_the_first_acquire(self, store: FlakyStore, clock: Clock, lock: ObjectLock, fault: WriteFault) -> None:
        store.faults.append(fault)
        holder = lock.acquire("main", clock.now() + 10, "")
        assert body(store)["owner"] == holder.owner
        assert lock.holders() == [holder]
        assert lock.release(holder.lock_id, "main") is True

    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_of_a_later_acquire(self, store: FlakyStore, clock: Clock, lock: ObjectLock, fault: WriteFault) -> None:
        lock.release(lock.acquire("main", clock.now(), "").lock_id, "main")
        store.faults.append(fault)
        holder = lock.acquire("main", clock.now() + 10, "")
        assert lock.holders() == [holder]
        assert lock.release(holder.lock_id, "main") is True

    @pytest.mark.parametrize("fault", UNCLEAR)
    def test_of_a_release(self, store: FlakyStore, clock: Clock, lock: ObjectLock, fault: WriteFault) -> None:
        holder = lock.acquire("main", clock.now() + 10, "")
        store.faults.append(fault)
        assert lock.release(holder.lock_id, "main") is True
        assert lock.holders() == []

    def test_nor_read(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        store.faults.append(WriteFault.LOSE_ANSWER)
        make_lock(store, clock)
        holder = None
        store.read_faults = 3
        holder = lock.acquire("main", clock.now() + 60, "")
        assert lock.holders() == [holder]

    @pytest.mark.parametrize("fault", [WriteFault.LOSE_ANSWER, WriteFault.LOSE_REQUEST])
    def test_of_an_acquire_that_was_cancelled(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock, fault: WriteFault
    ) -> None:
        def cancelled(_seconds: float) -> None:
            raise SldbError("cancelled", "")

        lock.release(lock.acquire("main", clock.now(), "").lock_id, "main")
        store.faults.append(fault)
        store.read_faults = 1  # it cannot see whether it has the lock, and pauses
        with pytest.raises(SldbError):
            lock.acquire("main", clock.now() + 60, "", cancelled)
        assert lock.holders() == []

    def test_ever_is_an_error_in_bounded_time(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        store.faults.extend([WriteFault.LOSE_REQUEST] * 1000)
        start = clock.now()
        with pytest.raises(SldbError, match=r"did not answer.*lock\.json") as caught:
            lock.acquire("main", start + 3600, "")
        assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
        assert clock.now() - start < 30

    def test_ever_of_a_release_is_an_error_and_the_age_frees_it(
        self, store: FlakyStore, clock: Clock, lock: ObjectLock
    ) -> None:
        holder = lock.acquire("main", clock.now(), "")
        store.faults.extend([WriteFault.LOSE_REQUEST] * s3.MAX_ATTEMPTS)
        with pytest.raises(SldbError, match="was not released") as caught:
            lock.release(holder.lock_id, "main")
        assert caught.value.code == "store_error"
        clock.time += MAX_AGE + 1
        assert make_lock(store, clock).acquire("main", clock.now(), "")

    def test_endless_clashes_end_with_the_deadline(self, store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
        store.faults.extend([WriteFault.CLASH] * 100_000)
        start = clock.now()
        with pytest.raises(SldbError) as caught:
            lock.acquire("main", start + 2, "")
        assert caught.value.code == "lock_timeout"
        assert clock.now() == pytest.approx(start + 2, abs=0.01)


def test_a_refusal_is_an_error_at_once(store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
    store.faults.append(WriteFault.REFUSE)
    with pytest.raises(SldbError, match=r"refused.*lock\.json.*access denied") as acquire:
        lock.acquire("main", clock.now() + 60, "")
    holder = lock.acquire("main", clock.now(), "")
    store.faults.append(WriteFault.REFUSE)
    with pytest.raises(SldbError, match=r"not released.*access denied") as release:
        lock.release(holder.lock_id, "main")
    assert (acquire.value.code, release.value.code) == ("store_error", "store_error")
    assert acquire.value.details["applied"] == "no"
    clock.time += MAX_AGE + 1
    store.faults.append(WriteFault.REFUSE)
    assert len(lock.free_expired(clock.now() + 10).failed) == 1
    assert clock.sleeps == []


def test_a_lock_that_was_broken_is_not_released_from_its_breaker(
    store: FlakyStore, clock: Clock, lock: ObjectLock
) -> None:
    """The first holder still has the ETag of its own body in mind."""
    first = lock.acquire("main", clock.now(), "")
    clock.time += MAX_AGE + 1
    second = make_lock(store, clock).acquire("main", clock.now(), "")
    assert lock.release(first.lock_id, "main") is False
    assert lock.holders() == [second]


def test_a_released_lock_that_somebody_took_since_is_seen_as_taken(
    store: FlakyStore, clock: Clock, lock: ObjectLock
) -> None:
    lock.release(lock.acquire("main", clock.now(), "").lock_id, "main")
    holder = make_lock(store, clock).acquire("main", clock.now(), "")
    with pytest.raises(SldbError, match=holder.owner):
        lock.acquire("main", clock.now(), "")


def test_an_object_that_somebody_deleted_was_nobodys(store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
    holder = lock.acquire("main", clock.now(), "")
    store.delete(lock_key("main"))
    assert lock.release(holder.lock_id, "main") is False
    lock.release(lock.acquire("main", clock.now(), "").lock_id, "main")
    store.delete(lock_key("main"))
    assert lock.acquire("main", clock.now() + 5, "")


def taken_after(lock: ObjectLock, take: Callable[[], object]) -> None:
    """Call `take` once, right after the next look of `lock` at the object."""
    read = lock._read

    def look(database: str) -> object:
        lock._read = read  # type: ignore[method-assign]  # for one call
        seen = read(database)
        take()
        return seen

    lock._read = look  # type: ignore[method-assign, assignment]  # as above


def test_a_sweep_does_not_free_a_lock_that_changed_hands_since_the_look(
    store: FlakyStore, clock: Clock, lock: ObjectLock
) -> None:
    old, holders = make_lock(store, clock), []
    old.acquire("main", clock.now(), "")
    clock.time += MAX_AGE + 1
    taken_after(lock, lambda: holders.append(old.acquire("main", clock.now(), "")))
    assert lock.free_expired(clock.now() + 10).freed == ()
    assert old.holders() == holders


def test_a_sweep_leaves_a_free_lock_that_was_taken_since_the_look(
    store: FlakyStore, clock: Clock, lock: ObjectLock
) -> None:
    other, holders = make_lock(store, clock), []
    other.release(other.acquire("main", clock.now(), "").lock_id, "main")
    clock.time += MAX_AGE + 1
    taken_after(lock, lambda: holders.append(other.acquire("main", clock.now(), "")))
    assert lock.free_expired(clock.now() + 10).freed == ()
    assert other.holders() == holders
    assert other.release(holders[0].lock_id, "main")


def test_a_sweep_reads_only_old_locks_and_deletes_free_ones(clock: Clock) -> None:
    faulty = FaultyStore(Timed(memory_store(), clock))  # type: ignore[arg-type]  # it forwards all verbs
    sweeper, writer = make_lock(faulty, clock), make_lock(faulty, clock)
    for name in ("dead", "dead-too"):
        writer.acquire(name, clock.now(), "")
    writer.release(writer.acquire("free", clock.now(), "").lock_id, "free")
    clock.time += MAX_AGE + 1
    writer.acquire("young", clock.now(), "")
    faulty.verbs()
    sweep = sweeper.free_expired(clock.now() + 10)
    assert sorted(holder.database for holder in sweep.freed) == ["dead", "dead-too"]
    assert sorted(faulty.verbs()) == sorted(["list_objects", *["get_with_tag"] * 3, *["replace"] * 2, "delete_version"])
    assert sweeper.free_expired(clock.now() + 10).checked == 3
    assert faulty.verbs() == ["list_objects"]  # those that were freed just now are young again


def test_a_sweep_reports_what_it_could_not_do(store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
    for name in ("a", "b", "c"):
        make_lock(store, clock).acquire(name, clock.now(), "")
    clock.time += MAX_AGE + 1
    store.faults.append(WriteFault.LOSE_REQUEST)
    sweep = lock.free_expired(clock.now() + 10)
    assert ([holder.database for holder in sweep.freed], len(sweep.failed)) == (["b", "c"], 1)


def test_a_sweep_without_time_leaves_the_rest_to_the_next(store: FlakyStore, clock: Clock, lock: ObjectLock) -> None:
    make_lock(store, clock).acquire("a", clock.now(), "")
    clock.time += MAX_AGE + 1
    assert lock.free_expired(clock.now()).freed == ()
    assert len(lock.free_expired(clock.now() + 1).freed) == 1


WRITE_FAULTS = st.lists(st.sampled_from(WriteFault), max_size=10)


@given(faults=WRITE_FAULTS, reads=st.integers(0, 4), rounds=st.integers(1, 3))
def test_whatever_goes_wrong_ours_is_ours(faults: list[WriteFault], reads: int, rounds: int) -> None:
    store, clock = FlakyStore(memory_store()), Clock()
    host = clock.host()
    locks = [ObjectLock(store, host, max_age_seconds=MAX_AGE, retry_seconds=1.0) for _ in range(2)]
    store.faults.extend(faults)
    store.read_faults = reads
    for lock in locks * rounds:
        try:
            holder = lock.acquire("main", clock.now() + 200, "")
        except SldbError:
            continue
        store.read_faults, now_faults = 0, list(store.faults)
        assert body(store)["owner"] == holder.lock_id
        try:
            assert lock.release(holder.lock_id, "main") is True
        except SldbError:
            continue
        assert body(store)["owner"] is None, now_faults
