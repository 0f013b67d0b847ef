"""What every lock that excludes anybody must do, whatever it is made of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import boto3
import pytest

from lambda_handlers.aws.ec2 import Ec2Client
from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.shared.endpoints import Endpoint
from lambda_handlers.shared.lock_holder import lock_key
from lambda_handlers.store.open import open_store
from lambda_handlers.wire import SldbError
from tests.fakes.aws.ec2 import FakeEc2
from tests.fakes.aws.moto_server import REGION, Aws, serve_aws
from tests.fakes.clock import Clock
from tests.fakes.stores.memory import memory_store

MAX_AGE = 90.0
KEYS = Credentials("test", "test")
MakeLock: TypeAlias = Callable[[Host, float], WriteLock]  # (host, retry_seconds): one more participant


@dataclass(frozen=True)
class Kind:
    make: MakeLock
    has_age: bool = True


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with serve_aws() as served:
        ec2 = Ec2Client(REGION, KEYS, Endpoint(served.url))
        ec2.describe_security_groups({}, timeout=60)  # moto loads EC2 with its first call, which takes a second or more
        ec2.close()
        yield served


def security_groups(ec2: FakeEc2 | Ec2Client, vpc_id: str | None, stack: str = "test-db") -> MakeLock:
    return lambda host, retry_seconds: SecurityGroupLock(
        ec2, host, stack=stack, vpc_id=vpc_id, max_age_seconds=MAX_AGE, retry_seconds=retry_seconds
    )


def objects_on_s3(aws: Aws, bucket: str) -> MakeLock:
    s3 = boto3.client("s3", REGION, endpoint_url=aws.url, aws_access_key_id="test", aws_secret_access_key="test")
    s3.create_bucket(Bucket=bucket)
    s3.close()
    store = open_store(Settings(f"s3://{bucket}/stores/one", region=REGION, endpoint_url=aws.url, credentials=KEYS))
    return lambda host, retry_seconds: ObjectLock(store, host, max_age_seconds=MAX_AGE, retry_seconds=retry_seconds)


def objects_in_memory() -> MakeLock:
    store = memory_store()
    return lambda host, retry_seconds: ObjectLock(store, host, max_age_seconds=MAX_AGE, retry_seconds=retry_seconds)


AGING = [
    "security-group on a fake",
    "security-group on moto",
    "security-group in the default VPC",
    "object in memory",
    "object on moto",
]


@pytest.fixture(params=[*AGING, "file"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    yield from make_kind(request, tmp_path)


@pytest.fixture(params=AGING)
def aging(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    """The kinds that free a lock by its age. The operating system frees the others."""
    yield from make_kind(request, tmp_path)


def make_kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    if request.param == "security-group on a fake":
        yield Kind(security_groups(FakeEc2(), "vpc-1"))
    elif request.param == "security-group on moto":
        ec2 = Ec2Client(REGION, KEYS, Endpoint(request.getfixturevalue("aws").url))
        yield Kind(security_groups(ec2, f"vpc-{time.time_ns():017x}"))
        ec2.close()
    elif request.param == "security-group in the default VPC":
        ec2 = Ec2Client(REGION, KEYS, Endpoint(request.getfixturevalue("aws").url))
        yield Kind(security_groups(ec2, None, stack=f"test-{time.time_ns()}"))
        ec2.close()
    elif request.param == "object in memory":
        yield Kind(objects_in_memory())
    elif request.param == "object on moto":
        yield Kind(objects_on_s3(request.getfixturevalue("aws"), f"bucket-{time.time_ns()}"))
    else:
        yield Kind(lambda host, retry_seconds: FileLock(tmp_path, host), has_age=False)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def two(kind: Kind, clock: Clock) -> tuple[WriteLock, WriteLock]:
    """Two participants on one clock."""
    host = clock.host()
    return kind.make(host, 1.0), kind.make(host, 1.0)


def test_taken_and_released(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    assert theirs.holders() == []
    holder = ours.acquire("main", clock.now(), "INSERT users")
    assert theirs.holders() == [holder]
    assert (holder.database, holder.created_at, holder.doing) == ("main", clock.now(), "INSERT users")
    assert ours.release(holder.lock_id, "main") is True
    assert theirs.holders() == []
    assert ours.release(holder.lock_id, "main") is False


def test_who_comes_second_waits_until_the_deadline_and_learns_who_was_first(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    holder = theirs.acquire("main", clock.now(), "VACUUM")
    start = clock.now()
    with pytest.raises(SldbError) as caught:
        ours.acquire("main", start + 5, "INSERT")
    assert start + 4.9 < clock.now() < start + 5.1
    assert caught.value.code == "lock_timeout"
    assert caught.value.details["holder"] == {**holder.encode(clock.now()), "age_seconds": pytest.approx(5, abs=0.1)}
    assert holder.owner in caught.value.message
    assert "VACUUM" in caught.value.message
    assert caught.value.hint
    assert ours.holders() == [holder]


def test_who_waits_gets_it_after_the_release(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    first = theirs.acquire("main", clock.now(), "first")
    released_at = clock.now() + 3.2
    clock.at(released_at, lambda: theirs.release(first.lock_id, "main"))
    second = ours.acquire("main", clock.now() + 60, "second")
    assert released_at <= clock.now() <= released_at + 1.25
    assert second.created_at == pytest.approx(clock.now(), abs=0.001)  # of the take, not of the asking
    assert ours.holders() == [second]


def test_a_deadline_that_has_passed_still_takes_a_free_lock(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    holder = ours.acquire("main", clock.now() - 1, "")
    with pytest.raises(SldbError, match="locked"):
        theirs.acquire("main", clock.now() - 1, "")
    assert clock.sleeps == []
    assert ours.release(holder.lock_id, "main")


def test_databases_have_locks_of_their_own(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    one = ours.acquire("one", clock.now(), "")
    other = theirs.acquire("other", clock.now(), "")
    assert {holder.database for holder in ours.holders()} == {"one", "other"}
    assert ours.release(one.lock_id, "one")
    assert theirs.holders() == [other]


def test_a_late_release_does_not_free_the_next_holder(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    first = ours.acquire("main", clock.now(), "")
    ours.release(first.lock_id, "main")
    second = theirs.acquire("main", clock.now(), "")
    assert ours.release(first.lock_id, "main") is False
    assert ours.holders() == [second]


def test_an_unknown_id_frees_nobody(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    assert ours.release("sg-00000000000000000", "main") is False
    holder = theirs.acquire("main", clock.now(), "")
    assert ours.release("sg-00000000000000000", "main") is False
    assert ours.holders() == [holder]


def test_again_and_again(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    for participant in (ours, ours, theirs, ours, theirs, theirs):
        holder = participant.acquire("main", clock.now() + 5, "")
        assert participant.release(holder.lock_id, "main")


@pytest.mark.parametrize("doing", ["", "INSERT <users> & \"x\" 'y' {z} é\n\x00", "x" * 1000])
def test_any_text_may_say_what_for(kind: Kind, clock: Clock, doing: str) -> None:
    ours, theirs = two(kind, clock)
    ours.acquire("main", clock.now(), doing)
    assert [holder.doing[:6] for holder in theirs.holders()] == [doing[:6]]


def test_eight_writers_one_at_a_time(kind: Kind) -> None:
    inside, most, done = 0, 0, 0
    failures: list[BaseException] = []
    count = threading.Lock()

    def write() -> None:
        nonlocal inside, most, done
        try:
            lock = kind.make(Host(), 0.01)
            for _ in range(3):
                holder = lock.acquire("main", time.time() + 60, "write")
                with count:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with count:
                    inside -= 1
                    done += 1
                assert lock.release(holder.lock_id, "main")
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, most, done) == ([], 1, 24)


def test_a_waiter_frees_a_lock_that_is_past_its_age(aging: Kind, clock: Clock) -> None:
    ours, theirs = two(aging, clock)
    abandoned = theirs.acquire("main", clock.now(), "")
    taken_at = clock.now()
    holder = ours.acquire("main", clock.now() + 200, "")
    assert taken_at + MAX_AGE < clock.now() < taken_at + MAX_AGE + 1.5
    assert theirs.release(abandoned.lock_id, "main") is False
    assert ours.holders() == [holder]


def test_an_old_lock_costs_the_next_writer_no_wait(aging: Kind, clock: Clock) -> None:
    ours, theirs = two(aging, clock)
    theirs.acquire("main", clock.now(), "")
    clock.time += MAX_AGE + 1
    ours.acquire("main", clock.now() + 1, "")
    assert clock.sleeps == []


def test_a_lock_from_the_far_future_is_past_its_age(aging: Kind, clock: Clock) -> None:
    ours, theirs = two(aging, clock)
    theirs.acquire("main", clock.now(), "")
    clock.time -= 1000
    assert ours.acquire("main", clock.now() + 1, "").created_at == clock.now()


def test_sweep_frees_the_old_and_leaves_the_young(kind: Kind, clock: Clock) -> None:
    ours, theirs = two(kind, clock)
    old = theirs.acquire("old", clock.now(), "")
    clock.time += MAX_AGE - 1
    young = theirs.acquire("young", clock.now(), "")
    assert ours.free_expired(clock.now() + 10).freed == ()
    clock.time += 2
    sweep = ours.free_expired(clock.now() + 10)
    assert (sweep.checked, sweep.ageless, sweep.failed) == (2 if kind.has_age else 0, (), ())
    assert sweep.freed == ((old,) if kind.has_age else ())
    assert young in ours.holders()
    assert (old in ours.holders()) is not kind.has_age


def test_a_lock_object_on_s3_that_somebody_deleted_was_nobodys(aws: Aws, clock: Clock) -> None:
    """S3 says 404 to a replace on condition then, not 412."""
    bucket = f"bucket-{time.time_ns()}"
    lock = objects_on_s3(aws, bucket)(clock.host(), 1.0)
    settings = Settings(f"s3://{bucket}/stores/one", region=REGION, endpoint_url=aws.url, credentials=KEYS)
    store = open_store(settings)
    holder = lock.acquire("main", clock.now(), "")
    store.delete(lock_key("main"))
    assert lock.release(holder.lock_id, "main") is False
    lock.release(lock.acquire("main", clock.now(), "").lock_id, "main")
    store.delete(lock_key("main"))
    assert lock.acquire("main", clock.now() + 5, "")


def test_no_lock_lets_everybody_in(clock: Clock) -> None:
    lock: WriteLock = NoLock(clock.host())
    one = lock.acquire("main", clock.now(), "")
    two = lock.acquire("main", clock.now(), "")
    assert one.lock_id != two.lock_id
    assert lock.release(one.lock_id, "main")
    assert lock.holders() == []
    assert lock.free_expired(clock.now()).checked == 0
