from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.aws.ec2 import SecurityGroup
from lambda_handlers.locks import group_acquire, group_line
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.shared.lock_holder import group_name
from lambda_handlers.wire import SldbError
from tests.fakes.aws.ec2 import FakeEc2, Fault
from tests.fakes.clock import Clock

T = TypeVar("T")
MAX_AGE = 90.0
VPC = "vpc-0a1b"


@pytest.fixture
def ec2() -> FakeEc2:
    return FakeEc2()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lock(ec2: FakeEc2, clock: Clock) -> SecurityGroupLock:
    return make_lock(ec2, clock)


def make_lock(ec2: FakeEc2, clock: Clock) -> SecurityGroupLock:
    return SecurityGroupLock(ec2, clock.host(), stack="test-db", vpc_id=VPC, max_age_seconds=MAX_AGE, retry_seconds=1.0)


def others_group(ec2: FakeEc2, clock: Clock, age: float = 0.0, waited: float = 0.0) -> str:
    """A lock of somebody else, taken so long ago, after such a wait."""
    tags = {
        "CreateTime": f"{clock.now() - age:.3f}",
        "Owner": "0" * 16,
        "sldb:stack": "test-db",
        "sldb:database": "main",
        "sldb:doing": "VACUUM",
        **({"sldb:waited": f"{waited:.3f}"} if waited else {}),
    }
    return ec2._create(group_name("test-db", "main"), VPC, tags)


class TestTheGroup:
    def test_has_the_name_and_the_tags_of_the_contract(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        holder = lock.acquire("orders-2", clock.now(), "INSERT users")
        (group,) = ec2.groups
        assert group == SecurityGroup(
            holder.lock_id,
            "sldb-lock-test-db.orders-2",
            {
                "CreateTime": f"{clock.now():.3f}",
                "Owner": holder.owner,
                "sldb:stack": "test-db",
                "sldb:database": "orders-2",
                "sldb:doing": "INSERT users",
            },
        )
        assert ec2.calls == ["create"]

    def test_of_another_case_is_taken_too(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2._create(group_name("test-db", "main").upper(), VPC, {})
        with pytest.raises(SldbError, match="an unknown writer"):
            lock.acquire("main", clock.now() + 1, "")

    def test_that_an_earlier_version_named_otherwise_is_freed_by_its_age(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        tags = {"CreateTime": "1", "Owner": "x", "sldb:stack": "test-db", "sldb:database": "orders-2"}
        ec2._create("sldb-lock-test-db-orders-2", VPC, tags)
        assert [holder.database for holder in lock.free_expired(clock.now() + 10).freed] == ["orders-2"]


class TestACreateWithoutAnAnswer:
    def test_that_was_applied_is_ours(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", Fault.LOSE_ANSWER)
        holder = lock.acquire("main", clock.now() + 10, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]
        assert ec2.calls == ["create", "describe"]
        assert lock.release(holder.lock_id, "main")

    def test_that_was_not_applied_is_sent_again(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", Fault.LOSE_REQUEST)
        holder = lock.acquire("main", clock.now() + 10, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]

    def test_that_is_not_shown_yet_is_found_by_its_owner(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        ec2.plan("create", Fault.LOSE_ANSWER)
        ec2.unseen.add("sg-00000000000000001")
        clock.at(clock.now() + 5, ec2.unseen.clear)
        holder = lock.acquire("main", clock.now() + 30, "")
        assert holder.lock_id == "sg-00000000000000001"
        assert len(ec2.groups) == 1

    def test_that_arrives_late_is_found_by_its_owner(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", Fault.APPLY_LATE, Fault.THROTTLE)
        clock.at(clock.now() + 0.05, ec2.arrive)
        holder = lock.acquire("main", clock.now() + 30, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]
        assert ec2.groups[0].tags["Owner"] == holder.owner

    def test_while_the_describe_has_none_either(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", Fault.LOSE_ANSWER)
        ec2.plan("describe", Fault.LOSE_REQUEST, Fault.THROTTLE)
        holder = lock.acquire("main", clock.now() + 30, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]

    def test_that_lost_to_somebody_else_waits(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        other = others_group(ec2, clock)
        ec2.plan("create", Fault.LOSE_ANSWER)
        clock.at(clock.now() + 3, lambda: ec2._delete(other))
        holder = lock.acquire("main", clock.now() + 30, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]

    def test_that_a_ghost_hides_is_found_without_waiting_for_the_deadline(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        """Describe still shows the holder before us, and only later our own group."""
        other = others_group(ec2, clock)
        ec2.ghosts.append(ec2.groups[0])
        ec2._delete(other)
        ec2.plan("create", Fault.LOSE_ANSWER)
        ec2.unseen.add("sg-00000000000000002")
        clock.at(clock.now() + 2, ec2.unseen.clear)
        start = clock.now()
        holder = lock.acquire("main", start + 30, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]
        assert clock.now() - start < 4

    def test_again_and_again_while_somebody_else_has_it_is_a_wait_for_him(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        others_group(ec2, clock)
        ec2.plan("create", *[Fault.LOSE_REQUEST] * 1000)
        start = clock.now()
        with pytest.raises(SldbError, match="VACUUM") as caught:
            lock.acquire("main", start + 60, "")
        assert caught.value.code == "lock_timeout"
        assert clock.now() == pytest.approx(start + 60)

    def test_at_the_deadline_is_taken_rather_than_left_behind(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        ec2.plan("create", Fault.LOSE_ANSWER)
        ec2.plan("describe", Fault.THROTTLE)
        holder = lock.acquire("main", clock.now(), "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]

    def test_that_nobody_ever_hears_of_is_an_error_in_bounded_time(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        ec2.plan("create", *[Fault.LOSE_REQUEST] * 100)
        start = clock.now()
        with pytest.raises(SldbError, match=r"did not answer") as caught:
            lock.acquire("main", start + 3600, "")
        assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
        assert clock.now() - start < 30
        assert ec2.calls.count("create") == group_acquire.MAX_ATTEMPTS

    def test_that_arrives_after_we_gave_up_is_freed_by_its_age(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        ec2.plan("create", *[Fault.APPLY_LATE] * 100)
        with pytest.raises(SldbError):
            lock.acquire("main", clock.now() + 1, "")
        ec2.arrive()
        assert len(ec2.groups) == 1
        ec2._faults.clear()
        clock.time += MAX_AGE + 1
        assert make_lock(ec2, clock).acquire("main", clock.now(), "").created_at == clock.now()


class TestThrottling:
    def test_backs_off_longer_and_longer(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", *[Fault.THROTTLE] * 7)
        lock.acquire("main", clock.now() + 60, "")
        pauses = clock.sleeps
        assert len(pauses) == 7
        for number, pause in enumerate(pauses):
            full = min(5.0, 0.2 * 2**number)
            assert full / 2 <= pause <= full

    def test_ends_with_the_deadline(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", *[Fault.THROTTLE] * 1000)
        start = clock.now()
        with pytest.raises(SldbError, match=r"throttles this account.*RequestLimitExceeded") as caught:
            lock.acquire("main", start + 20, "")
        assert caught.value.code == "store_error"
        assert clock.now() == pytest.approx(start + 20)

    def test_names_the_holder_where_there_is_one(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        others_group(ec2, clock)
        ec2.plan("create", *[Fault.THROTTLE] * 1000)
        with pytest.raises(SldbError, match="VACUUM") as caught:
            lock.acquire("main", clock.now() + 20, "")
        assert caught.value.code == "lock_timeout"


class TestWaiting:
    def test_asks_about_once_a_second_and_looks_now_and_then(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        others_group(ec2, clock)
        with pytest.raises(SldbError):
            lock.acquire("main", clock.now() + 60, "")
        assert 2 <= ec2.calls.count("describe") <= 16  # to learn who has it, and to say who has it at the end
        assert 48 <= ec2.calls.count("create") <= 90
        slow = clock.sleeps[group_line.QUICK_TRIES + 6 : -1]
        assert all(0.75 <= pause <= 1.25 for pause in slow)
        assert len({round(pause, 6) for pause in slow}) > 10

    def test_names_the_holder_of_the_end_not_of_the_beginning(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        first = others_group(ec2, clock)
        successor = []

        def change() -> None:
            ec2._delete(first)
            successor.append(others_group(ec2, clock))

        clock.at(clock.now() + 5, change)
        with pytest.raises(SldbError) as caught:
            lock.acquire("main", clock.now() + 10, "")
        assert caught.value.details["holder"]["lock_id"] == successor[0]

    def test_a_duplicate_that_nobody_shows_is_taken_all_the_same(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        ec2.unseen.add(others_group(ec2, clock))
        with pytest.raises(SldbError, match="by an unknown writer") as caught:
            lock.acquire("main", clock.now() + 5, "")
        assert caught.value.code == "lock_timeout"

    def test_a_holder_that_expired_is_freed_by_id_though_a_successor_has_the_name(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        old = others_group(ec2, clock, age=MAX_AGE - 2)
        fresh: list[str] = []

        def change() -> None:
            ec2._delete(old)
            fresh.append(others_group(ec2, clock))

        clock.at(clock.now() + 1.9, change)
        with pytest.raises(SldbError):
            lock.acquire("main", clock.now() + 10, "")
        assert [group.group_id for group in ec2.groups] == fresh

    def test_a_ghost_of_an_old_lock_does_not_make_it_spin(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        """Describe goes on showing a deleted group, while somebody else, not shown yet, has the lock."""
        old = others_group(ec2, clock, age=MAX_AGE + 5)
        ec2.ghosts.append(ec2.groups[0])
        ec2._delete(old)
        ec2.unseen.add(others_group(ec2, clock))
        with pytest.raises(SldbError) as caught:
            lock.acquire("main", clock.now() + 10, "")
        assert caught.value.code == "lock_timeout"
        assert ec2.calls.count("delete") == 1
        assert len(ec2.calls) < 60

    def test_a_ghost_does_not_hide_the_age_of_the_present_holder(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        gone = others_group(ec2, clock, age=MAX_AGE + 5)
        ec2.ghosts.append(ec2.groups[0])
        ec2._delete(gone)
        ec2.unseen.add(others_group(ec2, clock, age=MAX_AGE - 6))
        clock.at(clock.now() + 3, ec2.unseen.clear)
        clock.at(clock.now() + 3, ec2.ghosts.clear)
        start = clock.now()
        lock.acquire("main", start + 30, "")
        assert 6 <= clock.now() - start < 8

    def test_an_old_lock_that_is_gone_as_we_free_it_though_ec2_speaks_of_rights(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        old = others_group(ec2, clock, age=MAX_AGE - 3)
        clock.at(clock.now() + 2.9, lambda: ec2._delete(old))
        clock.at(clock.now() + 2.9, lambda: others_group(ec2, clock, age=MAX_AGE - 10))
        ec2.plan("delete", Fault.REFUSE)
        assert lock.acquire("main", clock.now() + 30, "")
        assert ec2.calls.count("delete") == 2

    def test_an_old_lock_that_may_not_be_deleted_is_an_error(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        others_group(ec2, clock, age=MAX_AGE + 5)
        ec2.plan("delete", Fault.REFUSE)
        with pytest.raises(SldbError, match="UnauthorizedOperation") as caught:
            lock.acquire("main", clock.now() + 30, "")
        assert caught.value.code == "store_error"

    def test_a_free_that_had_no_answer_is_sent_again(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        others_group(ec2, clock, age=MAX_AGE + 5)
        ec2.plan("delete", Fault.LOSE_REQUEST, Fault.THROTTLE, Fault.LOSE_ANSWER)
        holder = lock.acquire("main", clock.now() + 10, "")
        assert [group.group_id for group in ec2.groups] == [holder.lock_id]


class TestTheLine:
    """Other writers have waited for seconds, and take the lock before this one."""

    def succeed_each_other(self, ec2: FakeEc2, clock: Clock, seconds: float, waited: float) -> None:
        """Let another writer have the lock now, and further ones from each second on."""
        group_id = others_group(ec2, clock, waited=waited)
        if seconds > 0:
            clock.at(clock.now() + 1, lambda: ec2._delete(group_id))
            clock.at(clock.now() + 1, lambda: self.succeed_each_other(ec2, clock, seconds - 1, waited))
        else:
            clock.at(clock.now() + 1, lambda: ec2._delete(group_id))

    def test_is_kept_by_looks_and_its_end_is_a_try(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        self.succeed_each_other(ec2, clock, 8, waited=8.0)
        start = clock.now()
        holder = lock.acquire("main", start + 30, "")
        assert 7 <= clock.now() - start <= 12
        assert ec2.calls[:2] == ["create", "describe"]
        assert set(ec2.calls[2:7]) == {"describe"}
        assert ec2.groups[0].tags["sldb:waited"] == f"{holder.waited_seconds:.3f}"
        assert holder.waited_seconds == pytest.approx(clock.now() - start, abs=0.001)

    def test_is_not_kept_by_one_whose_time_is_up(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        self.succeed_each_other(ec2, clock, 10, waited=60.0)
        with pytest.raises(SldbError, match="locked"):
            lock.acquire("main", clock.now() + 5, "")
        assert ec2.calls.count("create") >= 2
        assert ec2.calls[-1] == "describe"

    def test_of_writers_that_are_gone_is_over_soon(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        gone = others_group(ec2, clock, waited=25.0)
        clock.at(clock.now() + 0.5, lambda: ec2._delete(gone))
        start = clock.now()
        lock.acquire("main", start + 60, "")
        assert clock.now() - start <= 1.25 * (group_line.MAX_PAUSE_SECONDS + group_line.AGAIN_SECONDS) + 0.1

    def test_is_left_to_others_by_one_that_comes_back(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        self.succeed_each_other(ec2, clock, 8, waited=8.0)
        first = lock.acquire("main", clock.now() + 30, "")
        lock.release(first.lock_id, "main")
        ec2.calls.clear()
        clock.sleeps.clear()
        second = lock.acquire("main", clock.now() + 30, "")
        assert ec2.calls == ["describe", "describe", "create"], "nobody else has come"
        assert sum(clock.sleeps) <= group_line.RETURN_SECONDS + 2.5 * group_line.AGAIN_SECONDS
        lock.release(second.lock_id, "main")
        clock.time += first.waited_seconds
        ec2.calls.clear()
        lock.acquire("main", clock.now() + 30, "")
        assert ec2.calls == ["create"], "the line is over"


class TestRefusals:
    def test_say_what_ec2_said_and_what_to_do(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        ec2.plan("create", Fault.REFUSE)
        with pytest.raises(SldbError, match=r"UnauthorizedOperation.*not authorized") as caught:
            lock.acquire("main", clock.now() + 60, "")
        assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
        assert "sldb deploy" in caught.value.hint
        assert clock.sleeps == []

    def test_of_a_look(self, ec2: FakeEc2, lock: SecurityGroupLock) -> None:
        ec2.plan("describe", Fault.REFUSE)
        with pytest.raises(SldbError, match="UnauthorizedOperation"):
            lock.holders()


class TestRelease:
    def test_without_an_answer_is_sent_again(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        holder = lock.acquire("main", clock.now(), "")
        ec2.plan("delete", Fault.LOSE_REQUEST, Fault.THROTTLE)
        assert lock.release(holder.lock_id, "main") is True
        assert ec2.groups == []

    def test_that_was_applied_without_an_answer_counts(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        holder = lock.acquire("main", clock.now(), "")
        ec2.plan("delete", Fault.LOSE_ANSWER)
        assert lock.release(holder.lock_id, "main") is True

    def test_of_a_group_that_ec2_does_not_know_yet(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        holder = lock.acquire("main", clock.now(), "")
        ec2.unseen.add(holder.lock_id)
        clock.at(clock.now() + 0.25, ec2.unseen.clear)
        assert lock.release(holder.lock_id, "main") is True
        assert ec2.groups == []

    def test_of_a_broken_lock_says_so(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        holder = lock.acquire("main", clock.now(), "")
        ec2._delete(holder.lock_id)
        assert lock.release(holder.lock_id, "main") is False
        assert sum(clock.sleeps) < 1

    def test_of_a_broken_lock_that_ec2_does_not_let_us_see(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        """The role may delete groups with the stack's tag: one that is gone has no tag."""
        ec2.plan("delete", *[Fault.REFUSE] * 10)
        assert lock.release("sg-0abc", "main") is False
        assert ec2.calls == ["delete", "describe"]

    def test_by_somebody_else_asks_once(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        assert lock.release("sg-0abc", "main") is False
        assert (ec2.calls, clock.sleeps) == (["delete"], [])

    @pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.LOSE_REQUEST, Fault.REFUSE])
    def test_that_cannot_be_done_is_an_error_and_the_age_frees_it(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock, fault: Fault
    ) -> None:
        holder = lock.acquire("main", clock.now(), "")
        ec2.plan("delete", *[fault] * 100)
        with pytest.raises(SldbError, match=f"{holder.lock_id} of database main was not released") as caught:
            lock.release(holder.lock_id, "main")
        assert caught.value.code == "store_error"
        assert sum(clock.sleeps) < 15
        ec2._faults.clear()
        clock.time += MAX_AGE + 1
        assert make_lock(ec2, clock).acquire("main", clock.now(), "")


class TestSweep:
    def test_goes_on_after_a_group_that_will_not_go(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        stuck, loose = lock.acquire("stuck", clock.now(), ""), lock.acquire("loose", clock.now(), "")
        clock.time += MAX_AGE + 1
        ec2.plan("delete", Fault.REFUSE)
        sweep = lock.free_expired(clock.now() + 10)
        assert sweep.freed == (loose,)
        assert [(holder, "UnauthorizedOperation" in why) for holder, why in sweep.failed] == [(stuck, True)]

    def test_leaves_what_does_not_say_its_age(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        others_group(ec2, clock)
        (group,) = ec2.groups
        for number, created in enumerate(["", "yesterday", "nan", "inf"]):
            tags = {**group.tags, "CreateTime": created}
            ec2._create(f"{group.name}{number}", VPC, tags)
        clock.time += 10 * MAX_AGE
        sweep = lock.free_expired(clock.now() + 10)
        assert (len(sweep.freed), len(sweep.ageless), len(ec2.groups)) == (1, 4, 4)

    def test_leaves_other_stacks_other_vpcs_and_other_groups(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        tags = {"CreateTime": "1", "Owner": "x", "sldb:stack": "test-db"}
        ec2._create("sldb-lock-test-db-2-main", VPC, {**tags, "sldb:stack": "test-db-2"})
        ec2._create("sldb-lock-test-db-main", "vpc-other", tags)
        ec2._create("something-else", VPC, tags)
        assert lock.free_expired(clock.now() + 10).checked == 0
        assert len(ec2.groups) == 3

    def test_a_lock_made_anew_since_the_look_survives(
        self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock
    ) -> None:
        """Describe shows the old lock, though its name belongs to a new one already."""
        old = others_group(ec2, clock, age=MAX_AGE + 5)
        ec2.ghosts.append(ec2.groups[0])
        ec2._delete(old)
        fresh = others_group(ec2, clock)
        ec2.unseen.add(fresh)
        sweep = lock.free_expired(clock.now() + 10)
        assert (sweep.freed, sweep.failed) == ((), ())
        assert [group.group_id for group in ec2.groups] == [fresh]

    def test_is_throttled_until_the_deadline(self, ec2: FakeEc2, clock: Clock, lock: SecurityGroupLock) -> None:
        others_group(ec2, clock, age=MAX_AGE + 5)
        ec2.plan("delete", *[Fault.THROTTLE] * 100)
        start = clock.now()
        sweep = lock.free_expired(start + 2)
        assert clock.now() <= start + 2.01
        assert len(sweep.failed) == 1


def outcome(action: Callable[[], T]) -> T | str:
    """What it gives, or the code of the error that it ends with."""
    try:
        return action()
    except SldbError as error:
        return error.code


FAULTS = st.lists(st.sampled_from(Fault), max_size=8)


@given(create=FAULTS, describe=FAULTS, delete=FAULTS, seed=st.integers(0, 1000), late=st.floats(0, 20))
def test_whatever_goes_wrong_ours_is_ours_and_what_stays_behind_goes_by_age(
    create: list[Fault], describe: list[Fault], delete: list[Fault], seed: int, late: float
) -> None:
    ec2, clock = FakeEc2(), Clock(seed=seed)
    host = clock.host()
    locks = [
        SecurityGroupLock(ec2, host, stack="s", vpc_id=VPC, max_age_seconds=MAX_AGE, retry_seconds=1.0)
        for _ in range(2)
    ]
    ec2.plan("create", *create)
    ec2.plan("describe", *describe)
    ec2.plan("delete", *delete)
    clock.at(clock.now() + late, ec2.arrive)
    for lock in locks:
        holder = outcome(lambda lock=lock: lock.acquire("main", clock.now() + 30, ""))  # type: ignore[misc]
        if isinstance(holder, str):
            assert holder in ("lock_timeout", "store_error")
            continue
        assert [(group.group_id, group.tags["Owner"]) for group in ec2.groups] == [(holder.lock_id, holder.owner)]
        released = outcome(lambda lock=lock, holder=holder: lock.release(holder.lock_id, "main"))  # type: ignore[misc]
        if released != "store_error":
            assert released is True
            assert holder.lock_id not in [group.group_id for group in ec2.groups]
    ec2._faults.clear()
    ec2.arrive()
    clock.time += MAX_AGE + 1
    locks[0].free_expired(clock.now() + 10)
    assert ec2.groups == []


def test_tags_of_the_stack_are_on_each_group_and_the_locks_own_outweigh_them(ec2: FakeEc2, clock: Clock) -> None:
    lock = make_lock(ec2, clock)
    lock.tags = {"team": "data", "Owner": "the team", "sldb:stack": "other", "CreateTime": "0"}
    holder = lock.acquire("main", clock.now() + 1, "")
    (group,) = ec2.describe_security_groups({})
    own = ("Owner", "sldb:stack", "CreateTime")
    assert [group.tags[name] for name in own] == [holder.owner, "test-db", f"{holder.created_at:.3f}"]
    assert group.tags["team"] == "data"
    assert [each.lock_id for each in lock.holders()] == [holder.lock_id]


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.LOSE_REQUEST])
def test_an_acquire_that_was_cancelled_leaves_no_group(ec2: FakeEc2, clock: Clock, fault: Fault) -> None:
    """The answer to its create was lost, and the group was not shown yet."""

    def cancelled(_seconds: float) -> None:
        ec2.unseen.clear()
        raise SldbError("cancelled", "")

    ec2.plan("create", fault)
    ec2.plan("describe", Fault.LOSE_REQUEST)
    with pytest.raises(SldbError):
        make_lock(ec2, clock).acquire("main", clock.now() + 60, "", cancelled)
    assert ec2.groups == []


def test_an_acquire_that_was_cancelled_leaves_the_group_of_another(ec2: FakeEc2, clock: Clock) -> None:
    def cancelled(_seconds: float) -> None:
        raise SldbError("cancelled", "")

    held = make_lock(ec2, clock).acquire("main", clock.now(), "")
    ec2.plan("create", Fault.LOSE_REQUEST)
    with pytest.raises(SldbError):
        make_lock(ec2, clock).acquire("main", clock.now() + 60, "", cancelled)
    assert [group.group_id for group in ec2.groups] == [held.lock_id]
