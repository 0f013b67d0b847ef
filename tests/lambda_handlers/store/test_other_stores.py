"""S3 by somebody else than AWS: what ignores conditions is refused before anything is written, and what is large goes
as one conditional put."""

from __future__ import annotations

import errno
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from lambda_handlers.service import Service
from lambda_handlers.settings import BadSetting, Credentials, Settings
from lambda_handlers.store import other_stores
from lambda_handlers.store.conditional_writes import (
    PROBE_KEY,
    Race,
    missing_condition,
    race_completions,
    race_creates,
    race_replaces,
)
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.open import is_foreign, open_store
from lambda_handlers.store.protocol import AlreadyExists, CopyOf, NotFound, ObjectStore, Refused, Unavailable, Unfit
from lambda_handlers.wire import Request, SldbError, Statement
from tests.fakes.aws.moto_server import Aws, free_port, serve_aws
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.s3 import altered, ignore, is_completion, plain_s3

MIB = bytes(range(256)) * 4096
LARGE = 17 << 20


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with serve_aws() as aws:
        yield aws


@pytest.fixture
def settings(aws: Aws, tmp_path: Any) -> Settings:
    bucket = f"foreign-{uuid.uuid4().hex}"
    client = boto3.client("s3", "us-east-1", endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s")
    client.create_bucket(Bucket=bucket)
    client.close()
    return Settings(
        *(f"s3://{bucket}/p", "none"), endpoint_url=aws.url, credentials=Credentials("k", "s"), temp_dir=str(tmp_path)
    )


def kept(settings: Settings) -> list[str]:
    return [info.key for info in plain_s3(settings).list_objects("")]


def large() -> Iterator[bytes]:
    yield from [MIB] * (LARGE >> 20)


def write(settings: Settings, sql: str) -> None:
    service = Service(settings)
    try:
        service.reply(Request((Statement(sql),)))
    finally:
        service.close()


@pytest.mark.parametrize(("header", "says"), [("if-none-match", "If-None-Match"), ("if-match", "If-Match")])
def test_a_store_that_ignores_a_condition_gets_no_database(
    aws: Aws, settings: Settings, header: str, says: str
) -> None:
    with altered(aws, ignore(header)):
        for _ in range(2):  # the second finds the object of the first one's probe
            with pytest.raises(SldbError, match=f"cannot hold databases.*{says}") as caught:
                write(settings, "CREATE TABLE t (a)")
            assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
            assert "sldb doctor --store" in str(caught.value.hint)

    assert kept(settings) == [PROBE_KEY]


WRITES: list[Callable[[ObjectStore], object]] = [
    lambda store: store.create("db/a", b"x"),
    lambda store: store.put("db/a", b"x"),
    lambda store: store.replace("db/a", b"x", '"0"'),
    lambda store: store.create_from("db/a", [b"x"]),
    lambda store: store.create_from("db/a", large()),
    lambda store: store.assemble("db/a", [b"x"]),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("large_commits", ["put", "parts"])
def test_no_verb_writes_there(
    aws: Aws, settings: Settings, write: Callable[[ObjectStore], object], large_commits: str
) -> None:
    with altered(aws, ignore("if-none-match")), pytest.raises(Unfit):
        write(open_store(replace(settings, large_commits=large_commits)))

    assert kept(settings) == [PROBE_KEY]


def test_a_function_that_only_reads_tests_nothing_by_writing(settings: Settings) -> None:
    for large_commits in ("put", "parts"):
        store = open_store(replace(settings, large_commits=large_commits, read_only=True))
        store.create_from(f"_replies/{large_commits}", large())
        store.close()
    assert kept(settings) == ["_replies/parts", "_replies/put"]


def test_a_container_asks_once_and_reads_ask_nothing(aws: Aws, settings: Settings) -> None:
    for probe in (["PUT p/_probe"] * 3, ["PUT p/_probe"] * 2):
        store = open_store(settings)
        with altered(aws, ignore()) as asked:
            assert list(store.list_objects("nothing/")) == []
            with pytest.raises(NotFound):
                store.get("nothing")
            assert not any(PROBE_KEY in each for each in asked)
            asked.clear()
            store.put("db/a", b"1")
            store.put("db/a", b"2")
        assert asked == [*probe, "PUT p/db/a", "PUT p/db/a"]


def test_a_store_that_is_mended_is_taken_without_a_new_container(aws: Aws, settings: Settings) -> None:
    store = open_store(settings)
    with altered(aws, ignore("if-none-match")), pytest.raises(Unfit):
        store.create("db/a", b"x")

    store.create("db/a", b"x")
    assert store.get("db/a") == b"x"


def test_eight_threads_ask_once(aws: Aws, settings: Settings) -> None:
    store, start = open_store(settings), threading.Barrier(8)

    def put(number: int) -> None:
        start.wait()
        store.put(f"db/{number}", b"x")

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    with altered(aws, ignore()) as asked:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert asked.count(f"PUT p/{PROBE_KEY}") == 3
    assert len(asked) == 11


def test_what_cannot_be_asked_is_not_written_and_says_that(settings: Settings) -> None:
    elsewhere = replace(settings, endpoint_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Refused, match="of the store's conditions failed") as caught:
        open_store(elsewhere).create("db/a", b"x")
    assert not isinstance(caught.value, Unfit)


@pytest.mark.parametrize(
    ("url", "want"),
    [
        (None, False),
        ("", False),
        ("https://s3.eu-central-1.amazonaws.com", False),
        ("https://s3.dualstack.us-east-1.amazonaws.com:443/", False),
        ("https://bucket.vpce-1a2b-xyz.s3.us-east-1.vpce.amazonaws.com", False),
        ("https://s3.cn-north-1.amazonaws.com.cn", False),
        ("https://s3.us-east-1.api.aws", False),
        ("https://s3-fips.us-gov-west-1.amazonaws.com", False),
        ("https://s3-us-west-2.amazonaws.com", False),
        ("https://s3.eusc-de-east-1.amazonaws.eu", False),
        ("https://s3.us-isob-east-1.sc2s.sgov.gov", False),
        ("https://s3.mars-west-1.aws.mars", False),  # a partition of tomorrow, as its URL suffix says
        ("https://ec2-198-51-100-1.compute-1.amazonaws.com:9000", True),  # of AWS's domain, and of anybody
        ("https://minio-1.elb.us-east-1.amazonaws.com", True),
        ("https://vpce-1a2b-xyz.vpce-svc-3c4d.us-east-1.vpce.amazonaws.com", True),
        ("http://127.0.0.1:9000", True),
        ("https://minio.example.org/s3.amazonaws.com", True),
        ("https://s3.amazonaws.com.example.org", True),
        ("https://notamazonaws.com", True),
        ("http://user@s3.amazonaws.com@evil.example", True),
    ],
)
def test_whose_endpoint_it_is(url: str | None, want: bool) -> None:
    assert is_foreign(Settings("s3://b/p", endpoint_url=url, url_suffix="aws.mars")) is want


def test_over_aws_nothing_is_asked_and_nothing_loaded() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from lambda_handlers.settings import Settings; from lambda_handlers.store.open import open_store\n"
        "store = open_store(Settings('s3://b/p'))\n"
        "print(type(store).__name__, 'lambda_handlers.store.other_stores' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["ObstoreStore", "False"]


def test_what_is_large_goes_as_one_conditional_put(aws: Aws, settings: Settings) -> None:
    store = open_store(settings)
    with altered(aws, ignore()) as asked:
        store.create_from("db/large", large())
        store.assemble("db/copy", [b"head", CopyOf("db/large", 1, 16 << 20), b"end"])
        with pytest.raises(AlreadyExists):
            store.create_from("db/large", large())

    assert [each for each in asked if each.startswith("P") and PROBE_KEY not in each] == [
        "PUT p/db/large",
        "PUT p/db/copy",
        "PUT p/db/large",
    ]
    assert store.get("db/large") == b"".join(large())
    assert store.get("db/copy") == b"head" + b"".join(large())[1 : (16 << 20) + 1] + b"end"


@pytest.mark.long
def test_parts_are_used_where_they_are_said_to_hold_and_win_a_race(aws: Aws, settings: Settings) -> None:
    settings = replace(settings, large_commits="parts")
    store = open_store(settings)
    with altered(aws, ignore()) as asked:
        store.create_from("db/one", large())
        raced = len(asked)
        asked.clear()
        store.create_from("db/two", large())

    assert sorted(set(asked)) == ["POST p/db/two?uploadId", "POST p/db/two?uploads", "PUT p/db/two?partNumber"]
    assert raced > 3 * len(asked)
    assert kept(settings) == [PROBE_KEY, "db/one", "db/two"]


def test_parts_are_not_used_where_two_complete(aws: Aws, settings: Settings) -> None:
    store = open_store(replace(settings, large_commits="parts"))
    with altered(aws, ignore("if-none-match", where=is_completion)) as asked:
        store.create_from("db/one", large())
        asked.clear()
        with pytest.raises(AlreadyExists):
            store.create_from("db/one", large())

    assert asked == ["PUT p/db/one"]


def test_an_answer_that_gets_lost_leaves_it_open(aws: Aws, settings: Settings) -> None:
    store = open_store(settings)
    store.put("first", b"")
    aws.after = lambda *_: ("500 Internal Server Error", b"")
    try:
        with pytest.raises(Unavailable):
            store.create_from("db/large", large())
    finally:
        aws.after = None
    assert store.size("db/large") == LARGE


def test_no_permission_is_refused(aws: Aws, settings: Settings) -> None:
    store = open_store(settings)
    store.put("first", b"")
    aws.after = lambda *_: ("403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>")
    try:
        with pytest.raises(Refused, match="AccessDenied"):
            store.create_from("db/large", large())
    finally:
        aws.after = None


def test_a_disk_that_is_full_is_refused_and_nothing_was_sent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, chunk: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    store = open_store(settings)
    monkeypatch.setattr(other_stores, "tempfile", SimpleNamespace(SpooledTemporaryFile=lambda *_, **__: Full()))
    with pytest.raises(Refused, match=r"db/large: .*No space left on device"):
        store.create_from("db/large", large())
    assert kept(settings) == [PROBE_KEY]


def test_what_is_too_large_for_one_put_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_stores, "MAX_PUT_BYTES", LARGE - 1)
    with pytest.raises(Refused, match="more than"):
        open_store(settings).create_from("db/large", large())
    assert kept(settings) == [PROBE_KEY]


def test_a_source_that_is_shorter_than_said_makes_nothing(settings: Settings) -> None:
    store = open_store(settings)
    store.put("source", b"0123456789")
    with pytest.raises(Refused, match="source: ends at byte 10"):
        store.assemble("db/copy", [CopyOf("source", 0, 11)])
    assert kept(settings) == [PROBE_KEY, "source"]


def test_the_local_file_goes_and_has_no_name(settings: Settings, tmp_path: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield from large()
        assert list(tmp_path.iterdir()) == []

    open_store(settings).create_from("db/large", pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_none() -> None:
    with pytest.raises(BadSetting, match="SLDB_LARGE_COMMITS"):
        Settings.from_environment({"SLDB_STORE": "s3://b/p", "SLDB_LARGE_COMMITS": "both"})


def races(store: ObjectStore, rounds: int) -> list[Race]:
    return [race(store, "race-", rounds) for race in (race_creates, race_replaces, race_completions)]


def test_races_hold_over_what_is_atomic(aws: Aws, settings: Settings, tmp_path: Any) -> None:
    for store in (memory_store(), DirectoryStore(tmp_path / "d"), plain_s3(settings)):
        assert missing_condition(store) is None
        assert [race.holds for race in races(store, 2)] == [True] * 3
        assert [info.key for info in store.list_objects("")] == [PROBE_KEY]


@pytest.mark.parametrize(
    ("lacks", "want"),
    [
        (ignore("if-none-match"), [False, True, False]),
        (ignore("if-match"), [True, False, True]),
        (ignore("if-none-match", where=is_completion), [True, True, False]),
    ],
)
def test_races_find_who_writes_over(
    aws: Aws, settings: Settings, lacks: Callable[[dict[str, Any]], None], want: list[bool]
) -> None:
    with altered(aws, lacks):
        found = races(plain_s3(settings), 3)

    assert [race.holds for race in found] == want
    assert all(isinstance(race, Race) and race.rounds == (3 if race.holds else 1) for race in found)
    assert kept(settings) == []
