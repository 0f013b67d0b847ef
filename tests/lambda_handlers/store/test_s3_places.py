"""Whatever S3 answers, wherever: never `internal`, never a wrong word about a write, nothing of AWS's in a reply; and
the scheduled function goes on to the other databases."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambda_handlers.deadlock_fix import free_locks
from lambda_handlers.host import Host
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.log import Log
from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.shared.lock_holder import lock_key
from lambda_handlers.storage.log import work_items
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.store import s3 as s3_store
from lambda_handlers.store import s3_requests
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.clock import Clock
from tests.fakes.stores.scripted_s3 import BUCKET, DROPPED, SECRETS, Answer, Ask, ScriptedS3, refused, serve_s3

ANSWERS: dict[str, Answer] = {
    "dropped": DROPPED,
    **{
        f"{status} {code}".rstrip(): refused(status, code)
        for status, code in (
            (301, "PermanentRedirect"),
            (304, ""),
            (400, "ExpiredToken"),
            (400, "RequestTimeout"),
            (403, "AccessDenied"),
            (404, ""),
            (404, "NoSuchBucket"),
            (404, "NoSuchKey"),
            (409, "ConditionalRequestConflict"),
            (409, "OperationAborted"),
            (412, "PreconditionFailed"),
            (416, "InvalidRange"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (501, "NotImplemented"),
            (503, "SlowDown"),
        )
    },
}
Place = Callable[[Ask], bool]
Objects = dict[str, tuple[bytes, str, float]]
WRITTEN: dict[int, Objects] = {}  # by the number of transactions
FOLDED_NEXT = 15  # transactions: the next one is folded, and puts a head


def releases(ask: Ask) -> bool:
    return ask.call == "REPLACE" and ask.key.endswith(lock_key("main")) and b'"released"' in ask.body


def takes(ask: Ask) -> bool:
    return ask.call in ("CREATE", "REPLACE") and ask.key.endswith(lock_key("main")) and b'"released"' not in ask.body


IN_A_WRITE: dict[str, Place] = {
    "look at the lock": lambda ask: ask.call == "GET" and ask.key.endswith(lock_key("main")),
    "take the lock": takes,
    "release the lock": releases,
    "commit": lambda ask: ask.call == "CREATE" and "/0000/" in ask.key,
    "look for transactions": lambda ask: ask.call == "GET" and "/0000/" in ask.key,
    "read the head": lambda ask: ask.call == "GET" and ask.key.endswith("head.json"),
    "put the head": lambda ask: ask.call in ("CREATE", "REPLACE") and ask.key.endswith("head.json"),
    "fold": lambda ask: ask.call == "CREATE" and "/0001/" in ask.key,
    "list": lambda ask: ask.call == "LIST",
}
IN_A_PASS: dict[str, Place] = {
    "list": lambda ask: ask.call == "LIST",
    "look at the lock": IN_A_WRITE["look at the lock"],
    "break the lock": releases,
    "look at the lease": lambda ask: ask.call == "GET" and ask.key.endswith("main/maintenance.json"),
    "take the lease": lambda ask: (
        ask.call in ("CREATE", "REPLACE")
        and b'"owner":""' not in ask.body
        and ask.key.endswith("main/maintenance.json")
    ),
    "end the lease": lambda ask: b'"owner":""' in ask.body and ask.key.endswith("main/maintenance.json"),
    "read a file": lambda ask: ask.call == "GET" and "main/0" in ask.key,
    "make a file": lambda ask: ask.call == "CREATE" and ask.key.endswith(".ltx"),
    "put the head": IN_A_WRITE["put the head"],
    "delete": lambda ask: ask.call == "DELETE",
}


@pytest.fixture(scope="module")
def served() -> Iterator[ScriptedS3]:
    with serve_s3() as s3:
        yield s3


@pytest.fixture
def s3(served: ScriptedS3, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> ScriptedS3:
    served.now = clock.now
    monkeypatch.setattr(s3_store, "RETRIES", 1)
    monkeypatch.setattr(s3_store, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(s3_requests, "FIRST_PAUSE_SECONDS", 0.0)
    served.script = lambda ask: None
    served.objects = {}
    served.asked = []
    return served


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(s3: ScriptedS3) -> Settings:
    return Settings(
        f"s3://{BUCKET}/p",
        lock="s3",
        log_level="error",
        temp_dir=tempfile.gettempdir(),
        endpoint_url=s3.url,
        credentials=Credentials("k", "s"),
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[ObjectStore]:
    store = s3_store.open_s3(settings, BUCKET, "p")  # as it is where the S3 is AWS's
    yield store
    store.close()


@pytest.fixture
def container(settings: Settings, clock: Clock, store: ObjectStore) -> Iterator[Callable[[], Service]]:
    made: list[Service] = []

    def make() -> Service:
        made.append(Service(settings, clock.host(), store))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def written(s3: ScriptedS3, settings: Settings, clock: Clock, store: ObjectStore) -> Callable[[int], None]:
    """Has so many transactions in the store. They are written once, by a container with another host."""

    def restore(number: int) -> None:
        if number not in WRITTEN:
            WRITTEN[number] = written_by(Service(settings, Clock(seed=1).host(), store), s3, number)
        s3.objects = dict(WRITTEN[number])

    return restore


def written_by(service: Service, s3: ScriptedS3, number: int) -> Objects:
    ask(service, "CREATE TABLE t (a)")
    for _ in range(number - 1):
        ask(service, "INSERT INTO t VALUES (1)")
    service.close()
    return dict(s3.objects)


def ask(service: Service, query: str, **fields: Any) -> dict[str, Any]:
    reply = service.handle({"query": query, "timeout": 20, **fields})
    assert not any(secret in json.dumps(reply, ensure_ascii=False) for secret in SECRETS)
    return reply


def spoiled(place: Place, answer: Answer, effect: bool) -> Callable[[Ask], Answer | None]:
    def script(ask: Ask) -> Answer | None:
        if not place(ask):
            return None
        if effect:
            ask.act()
        return answer

    return script


READING = ("look", "read", "list")  # begin the names of places where nothing can be applied


def with_effects(places: dict[str, Place]) -> list[tuple[str, bool]]:
    reading = [(place, False) for place in places if place.startswith(READING)]
    return reading + [(place, effect) for place in places if (place, False) not in reading for effect in (False, True)]


@pytest.mark.sampled
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    ("place", "effect", "is_warm"),
    [
        *((place, effect, True) for place, effect in with_effects(IN_A_WRITE)),
        *((place, effect, False) for place, effect in with_effects(IN_A_WRITE) if place.startswith(READING)),
    ],
)
def test_in_a_write(
    s3: ScriptedS3,
    container: Callable[[], Service],
    written: Callable[[int], None],
    clock: Clock,
    place: str,
    answer: str,
    effect: bool,
    is_warm: bool,
) -> None:
    written(FOLDED_NEXT)
    service = container()
    if is_warm:
        ask(service, "INSERT INTO t VALUES (1)", dry_run=True)
    before = sum("/main/0000/" in key for key in s3.objects)
    s3.script = spoiled(IN_A_WRITE[place], ANSWERS[answer], effect)
    reply = ask(service, "INSERT INTO t VALUES (2)", request_id="once")

    applied = sum("/main/0000/" in key for key in s3.objects) - before
    if reply["statusCode"] == 200:
        assert applied == 1
    else:
        error = reply["body"]["error"]
        assert error["code"] in ("store_error", "lock_timeout", "conflict", "query_timeout"), error
        assert error.get("applied", "no") in ("no" if not applied else "yes", "unknown"), error
    if place in ("release the lock", "put the head", "fold"):
        assert reply["statusCode"] == 200
    if place == "commit" and effect:
        assert reply["statusCode"] == 200

    s3.script = lambda ask: None
    clock.sleep(120)  # a lock that could not be released is past its age
    assert ask(container(), "INSERT INTO t VALUES (2)", request_id="once")["statusCode"] == 200
    assert ask(container(), "SELECT count(*) FROM t WHERE a = 2")["body"]["rows"] == [[1]]


@pytest.mark.sampled
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(("place", "effect"), with_effects(IN_A_PASS))
def test_in_a_pass(
    s3: ScriptedS3,
    container: Callable[[], Service],
    written: Callable[[int], None],
    clock: Clock,
    store: ObjectStore,
    place: str,
    answer: str,
    effect: bool,
) -> None:
    """A lock to break, a database to keep, and another one, which is kept whatever is wrong with the first."""
    host = clock.host()
    written(8)
    ask(container(), "CREATE TABLE t (a)", database="other")
    lock = ObjectLock(store, host, max_age_seconds=90, retry_seconds=1)
    lock.acquire("main", clock.now() + 60, "dies")
    for name, txid in (("main", 8), ("other", 1)):
        work_items.put(store, name, txid)
    clock.sleep(200)
    for key in list(s3.objects):
        s3.objects[f"p/main/uploads/{'0' * 16}/{key[-4:]}"] = (b"x", '"e"', 0.0)  # old, to be deleted
    met: list[Ask] = []
    spoil = spoiled(IN_A_PASS[place], ANSWERS[answer], effect)

    def script(ask: Ask) -> Answer | None:
        if IN_A_PASS[place](ask):
            met.append(ask)
        return spoil(ask)

    s3.script = script
    log = Log("error", now=clock.now)

    freed = free_locks(ObjectLock(store, host, max_age_seconds=90, retry_seconds=1), host, log, clock.now() + 60)
    reports = Maintenance(store, host, log, 30).run(clock.now() + 60)

    told = [freed, *(report.encode() for report in reports)]
    assert not any(secret in json.dumps(told, ensure_ascii=False) for secret in SECRETS)
    assert freed["statusCode"] in (200, 503)
    assert met
    if place != "list":
        assert "other" in [report.database for report in reports]
    s3.script = lambda ask: None
    assert ask(container(), "SELECT count(*) FROM t")["body"]["rows"] == [[7]]
    clock.sleep(1000)
    Maintenance(store, host, log, 30).run(clock.now() + 60)
    assert ask(container(), "INSERT INTO t VALUES (3) RETURNING a")["body"]["rows"] == [[3]]


def test_a_lease_whose_answer_got_lost_is_ones_own(
    s3: ScriptedS3, written: Callable[[int], None], clock: Clock, store: ObjectStore
) -> None:
    """Or it would keep everyone away for sixteen minutes."""
    written(2)
    answers = [DROPPED]

    def script(ask: Ask) -> Answer | None:
        if not IN_A_PASS["take the lease"](ask) or not answers:
            return None
        ask.act()
        return answers.pop()

    s3.script = script
    reports = Maintenance(store, clock.host(), Log("error"), 30).run(clock.now() + 60)

    assert [report.error for report in reports] == [""]
    assert reports[0].work is not None


def test_the_log_has_what_a_reply_has_not(
    s3: ScriptedS3, container: Callable[[], Service], capsys: pytest.CaptureFixture[str]
) -> None:
    service = container()
    s3.script = spoiled(IN_A_WRITE["commit"], ANSWERS["403 AccessDenied"], False)
    reply = ask(service, "CREATE TABLE t (a)")

    assert "answered 403 Forbidden, AccessDenied (no permission)" in reply["body"]["error"]["message"]
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"request"' in line]
    assert "arn:aws:sts::123456789012:assumed-role/the-role" in line["aws_said"]


def test_what_nobody_expects_of_the_store_is_no_bug(
    container: Callable[[], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lambda_handlers.database.database import Database
    from lambda_handlers.store.protocol import AlreadyExists

    def fail(*_: object) -> None:
        raise AlreadyExists("key")

    monkeypatch.setattr(Database, "execute", fail)
    error = ask(container(), "SELECT 1")["body"]["error"]

    assert (error["code"], error["applied"]) == ("store_error", "unknown")


def test_a_bug_of_the_lock_denies_no_commit(container: Callable[[], Service], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(ObjectLock, "release", fail)
    assert ask(container(), "CREATE TABLE t (a)")["statusCode"] == 200


def test_a_bug_of_the_lock_keeps_no_database_from_being_kept(store: ObjectStore, clock: Clock) -> None:
    class Broken(ObjectLock):
        def free_expired(self, deadline: float) -> Any:
            raise ZeroDivisionError

    host: Host = clock.host()
    lock = Broken(store, host, max_age_seconds=1, retry_seconds=1)
    assert free_locks(lock, host, Log("error"), clock.now() + 9)["statusCode"] == 500
