"""The deployed bundle under chaos: containers and clients killed, frozen beyond the lock's age, robbed of their lock.

Meanwhile the schedule runs the deadlock-fix function, which frees locks and compacts the log.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from lambda_handlers.after_reply import IN_A_ROW_SECONDS
from lambda_handlers.storage.commit import STREAM_BYTES
from lambda_handlers.wire import SldbError
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import ReplyLost
from tests.chaos.bookkeeping import COUNTS, entry, says_not_applied
from tests.chaos.crowd import Crowd, disturb, rounds
from tests.chaos.proxy import MODES, Proxy
from tests.chaos.scenario import judge, moody, with_lock
from tests.chaos.small_disk import needs_mount, small_disk
from tests.chaos.stage import DEADLOCK_FIX, FUNCTION, Containers, Stage, is_commit, stage
from tests.fakes.waiting import wait_until

CLIENTS = 3
LARGEST_BYTES = 40 << 20
OUTAGE_SECONDS = 60.0  # at most a third of a scenario
MINUTE_SECONDS = float(os.environ.get("CHAOS_MINUTE", "3"))  # of the schedule
MAX_AGE_SECONDS = 1.0
FROZEN_AT_ONCE = 2
TIMEOUT_SECONDS = 10.0

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def on_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    cache = request.config.cache
    assert cache is not None
    with stage(cache.mkdir("downloads"), max_age_seconds=MAX_AGE_SECONDS, minute_seconds=MINUTE_SECONDS) as on_stage:
        yield on_stage


@pytest.fixture
def proxy(on_stage: Stage) -> Iterator[Proxy]:
    """Between somebody and the emulated AWS."""
    host, port = urlsplit(on_stage.aws.url).netloc.split(":")
    with Proxy(host, int(port)) as proxy:
        yield proxy


def crowd_of(
    on_stage: Stage, database: str, directory: Path, chance: random.Random, size: int = CLIENTS, **options: Any
) -> Crowd:
    """Return clients of a database of the deployed stack."""
    return Crowd(
        f"lambda:{FUNCTION}",
        directory / "clients",
        size,
        TIMEOUT_SECONDS,
        chance,
        **{"environment": on_stage.environment(), "database": database, **options},
    )


@with_lock("security-group", "s3", "none")
def test_everything_that_may_happen_to_processes(
    on_stage: Stage, kind: str, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    on_stage.use(kind)
    database = on_stage.new_database(f"processes-{kind}")
    containers = Containers(on_stage, database, chance)
    acts = rounds(chance, "kill", "kill", "freeze", "freeze", "thaw", "unlock", "client")

    def something() -> None:
        match next(acts):
            case "kill":
                containers.kill_one()
            case "freeze" if containers.frozen < FROZEN_AT_ONCE:
                containers.freeze_one()
            case "freeze" | "thaw":
                containers.thaw_one()
            case "unlock":
                containers.unlock()
            case "client":
                crowd.kill_one()
        crowd.keep_up()

    with crowd_of(on_stage, database, tmp_path, chance) as crowd:
        crowd.wait_for_work()
        disturb(seconds, something, (0.1, 0.6), chance)
        containers.thaw_all()
        containers.kill_one()
    verdict = judge(
        crowd,
        on_stage,
        database,
        tmp_path,
        f"{kind}: {containers.kills} containers killed, {containers.freezes} frozen, {containers.unlocks} locks broken",
    )
    assert set(verdict.errors) <= {"lock_timeout", "conflict", "internal", "query_timeout", "store_error"}
    assert containers.kills > 0


@with_lock("security-group", "s3")
def test_a_lock_that_is_broken_again_and_again(
    on_stage: Stage, kind: str, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    """Breaks it as fast as `sldb unlock` can find it, under live writers at work."""
    on_stage.use(kind)
    database = on_stage.new_database(f"unlocked-{kind}")
    containers = Containers(on_stage, database, chance)
    with crowd_of(on_stage, database, tmp_path, chance) as crowd:
        crowd.wait_for_work()
        disturb(seconds, containers.unlock, (0.0, 0.02), chance)
        while not containers.unlocks:
            containers.unlock()
    verdict = judge(crowd, on_stage, database, tmp_path, f"{kind}: {containers.unlocks} locks broken")
    assert set(verdict.errors) <= {"lock_timeout", "conflict"}
    assert containers.unlocks > 0


@with_lock("s3", "security-group", "none")
def test_a_store_that_misbehaves(
    on_stage: Stage, proxy: Proxy, kind: str, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    """S3 and EC2, as the containers see them: 503, resets before and after the effect, trickling, silent; then gone."""
    database = on_stage.new_database(f"store-{kind}")
    on_stage.use(kind, AWS_ENDPOINT_URL_S3=proxy.url, AWS_ENDPOINT_URL_EC2=proxy.url)
    modes = rounds(chance, *(mode for mode in MODES if mode not in ("pass", "refuse")))
    with crowd_of(on_stage, database, tmp_path, chance) as crowd:
        crowd.wait_for_work()
        disturb(seconds * 2 / 3, lambda: proxy.behave(moody(chance, next(modes))), (0.2, 0.6), chance)
        proxy.behave("refuse")
        ends_at = time.monotonic() + min(OUTAGE_SECONDS, seconds / 3)
        wait_until(lambda: time.monotonic() >= ends_at and proxy.seen["refuse"], "the end of the outage")
        proxy.behave("pass")
        back_at, before = time.monotonic(), crowd.acknowledged()
        wait_until(lambda: crowd.acknowledged() > before, "a write after the outage")
        recovery_seconds = time.monotonic() - back_at
    on_stage.use(kind, AWS_ENDPOINT_URL_S3=on_stage.aws.url, AWS_ENDPOINT_URL_EC2=on_stage.aws.url)
    verdict = judge(
        crowd,
        on_stage,
        database,
        tmp_path,
        f"{kind}: connections spoiled: {dict(proxy.seen)}, writing again {recovery_seconds:.1f} s after the outage",
    )
    assert set(verdict.errors) <= {"lock_timeout", "conflict", "store_error", "query_timeout", "internal"}


def test_large_transactions(
    on_stage: Stage, proxy: Proxy, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    """Such as go to the store in parts: their containers die on the way, and the line breaks."""
    database = on_stage.new_database("large")
    on_stage.use("s3", AWS_ENDPOINT_URL_S3=proxy.url)
    containers = Containers(on_stage, database, chance)
    acts = rounds(chance, "kill", "reset", "cut", "503", "pass")

    def something() -> None:
        if (act := next(acts)) == "kill":
            containers.kill_one()
        else:
            proxy.behave(moody(chance, act))

    with crowd_of(on_stage, database, tmp_path, chance, size=2, largest_bytes=LARGEST_BYTES) as crowd:
        crowd.wait_for_work()
        disturb(seconds, something, (0.3, 1.0), chance)
        proxy.behave("pass")
    on_stage.use("s3", AWS_ENDPOINT_URL_S3=on_stage.aws.url)
    large = [each for each in crowd.attempts() if each.outcome == "acknowledged" and each.size_bytes > STREAM_BYTES]
    verdict = judge(
        crowd,
        on_stage,
        database,
        tmp_path,
        f"s3: {len(large)} writes of {STREAM_BYTES >> 20} to {LARGEST_BYTES >> 20} MiB, {containers.kills} containers "
        f"killed, connections spoiled: {dict(proxy.seen)}",
    )
    assert set(verdict.errors) <= {"lock_timeout", "conflict", "store_error", "query_timeout", "internal"}


LATE_SECONDS = 8.0


@pytest.mark.long
def test_a_commit_that_arrives_after_its_container_was_stopped(on_stage: Stage) -> None:
    """The store has the request, and takes its time; the client must not say that nothing was applied."""
    on_stage.use("none")
    database = on_stage.new_database("late")
    arrived: list[threading.Timer] = []

    def kill(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        if not is_commit(call, database) or len(arrived) == 2:
            return proceed(call)
        apply = proceed if not arrived else lambda _call: Answer(200)  # of two tries the first one arrives
        arrived.append(threading.Timer(LATE_SECONDS, apply, (call,)))
        arrived[-1].start()
        on_stage.kill_the_busy_container()
        raise ReplyLost

    request = replace(entry("w", 10), database=database)
    with on_stage.hook(kill):
        told: SldbError | None = None
        try:
            on_stage.ask(request)  # on a slow machine it has arrived before the client is told of the second stop
        except SldbError as error:
            told = error
        for timer in arrived:
            timer.join()
    assert len(arrived) == 2
    assert told is None or not says_not_applied(told)
    txid = on_stage.ask(replace(COUNTS, database=database)).txid
    assert on_stage.ask(replace(COUNTS, database=database)).rows == [(1, 1)]
    assert on_stage.ask(request).txid == txid


def test_clients_that_are_cut_off(
    on_stage: Stage, proxy: Proxy, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    """Between them and the function: they send again, under the same request id, what may be running still."""
    on_stage.use("s3")
    database = on_stage.new_database("clients")
    modes = rounds(chance, "reset", "cut", "refuse", "trickle", "503")
    with crowd_of(on_stage, database, tmp_path, chance, environment=on_stage.environment(proxy.url)) as crowd:
        crowd.wait_for_work()
        disturb(seconds, lambda: proxy.behave(moody(chance, next(modes))), (0.2, 0.6), chance)
    verdict = judge(crowd, on_stage, database, tmp_path, f"connections spoiled: {dict(proxy.seen)}")
    assert set(verdict.errors) <= {"lock_timeout", "conflict", "store_error"}


@needs_mount
def test_a_full_disk_under_the_containers(
    on_stage: Stage, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    """/tmp of those that there are gets too small for anything; when it has room again, they go on."""
    on_stage.use("s3")
    database = on_stage.new_database("small")
    with crowd_of(on_stage, database, tmp_path, chance) as crowd:
        crowd.wait_for_work()
        with ExitStack() as full:
            for container in on_stage.aws.containers(FUNCTION):
                full.enter_context(small_disk(container.tmp_dir, size_kib=chance.choice((4, 16, 48))))
            time.sleep(seconds)
        before = crowd.acknowledged()
        wait_until(lambda: crowd.acknowledged() > before, "a write after there is room again")
    verdict = judge(crowd, on_stage, database, tmp_path, "containers with 4 to 48 KB of disk")
    assert set(verdict.errors) <= {"too_large", "lock_timeout", "conflict"}
    assert verdict.errors["too_large"] > 0


@with_lock("security-group", "s3", "none")
def test_recovery_while_somebody_waits(on_stage: Stage, kind: str, tmp_path: Path, seconds: float) -> None:
    """From the death of a writer that has the lock to the first commit of another."""
    on_stage.use(kind)
    database, measured = on_stage.new_database(f"waited-{kind}"), []
    end = time.monotonic() + seconds
    bar_seconds = (0 if kind == "none" else MAX_AGE_SECONDS) + 2
    while not measured or time.monotonic() < end:
        number = len(measured)
        with on_stage.killing_at_commit() as killed:
            crashing = threading.Thread(
                target=boto3.client("lambda").invoke,
                kwargs={
                    "FunctionName": FUNCTION,
                    "Payload": json.dumps(replace(entry(f"crash-{number}", 10), database=database).encode()),
                },
            )
            crashing.start()
            assert killed.wait(30)
            crashed_at = time.monotonic()
        on_stage.ask(replace(entry(f"next-{number}", 10), database=database))
        measured.append(time.monotonic() - crashed_at)
        crashing.join()
    print(f"{kind}, lock age {MAX_AGE_SECONDS} s: recovered after {min(measured):.2f} to {max(measured):.2f} s")
    assert max(measured) <= bar_seconds


@pytest.mark.long
@with_lock("security-group", "s3")
def test_recovery_while_nobody_waits(on_stage: Stage, kind: str) -> None:
    """The schedule's function frees the lock of a dead writer. (Which ones it frees is tested with it.)"""
    on_stage.use(kind)
    database = on_stage.new_database(f"alone-{kind}")
    with on_stage.killing_at_commit() as killed:
        event = json.dumps(replace(entry("crash", 10), database=database).encode())
        boto3.client("lambda").invoke(FunctionName=FUNCTION, Payload=event)
        assert killed.is_set()
        crashed_at = time.monotonic()
    wait_until(lambda: not on_stage.is_locked(database), "the release of the lock")
    freed_seconds = time.monotonic() - crashed_at
    print(f"{kind}, lock age {MAX_AGE_SECONDS} s, a minute of {MINUTE_SECONDS} s: freed after {freed_seconds:.2f} s")
    wait_until(lambda: any(frees(line, database) for line in on_stage.aws.log(DEADLOCK_FIX)), "its line in the log")


@pytest.mark.long
@with_lock("security-group", "s3")
def test_a_container_that_is_killed_between_its_reply_and_the_release_of_its_lock(on_stage: Stage, kind: str) -> None:
    """The write is in the log, and the next writer gets the lock by its age."""
    on_stage.use(kind)
    database = on_stage.new_database(f"killed-after-{kind}")
    with on_stage.killing_at_release(database) as has_reply:
        reply = on_stage.ask(replace(entry("last", 10), database=database, last=True))
        has_reply.set()
    killed_at = time.monotonic()
    following = on_stage.ask(replace(entry("next", 10), database=database))
    print(f"{kind}, lock age {MAX_AGE_SECONDS} s: next write after {time.monotonic() - killed_at:.2f} s")
    assert following.txid == reply.txid + 1
    wait_until(lambda: not on_stage.is_locked(database), "the release of the lock")
    counts = on_stage.ask(replace(COUNTS, database=database))
    assert counts.rows == [(2, 2)]


@pytest.mark.long
@with_lock("security-group", "s3", "none")
def test_writes_in_a_row_stay_in_one_container(on_stage: Stage, kind: str) -> None:
    on_stage.use(kind)
    database, took, pids = on_stage.new_database(f"row-{kind}"), [], set()
    for number in range(10):
        started = time.monotonic()
        on_stage.ask(replace(entry(f"write-{number}", 10), database=database))
        took.append(time.monotonic() - started)
        pids |= {each.pid for each in on_stage.aws.containers(FUNCTION) if each.pid}
    # On a machine that is too busy for a row they are writes apart from each other.
    assert len(pids) == 1 or max(took) >= IN_A_ROW_SECONDS
    print(f"{kind}: ten writes in {sum(took):.2f} s, in {len(pids)} container")


def frees(line: str, database: str) -> bool:
    if '"event":"free_locks"' not in line:
        return False
    return any(freed["database"] == database for freed in json.loads(line).get("freed", ()))
