"""How S3's answers, and their absence, become the errors of the object store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import boto3
import pytest
from obstore.store import MemoryStore

from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store import obstore_client
from lambda_handlers.store import s3 as s3_store_module
from lambda_handlers.store.protocol import AlreadyExists, ObjectStore, Refused, StoreError, Unavailable
from tests.fakes.aws.moto_server import Aws, free_port, serve_aws
from tests.fakes.stores.s3 import plain_s3

Ask = Callable[[ObjectStore], object]
READS: list[Ask] = [
    lambda store: store.get("db/a"),
    lambda store: store.get_with_tag("db/a"),
    lambda store: store.get_range("db/a", 0, 10),
    lambda store: list(store.chunks("db/a")),
]
LISTS: list[Ask] = [lambda store: list(store.list_objects("db/")), lambda store: store.list_directories("db/")]
WRITES: list[Ask] = [
    lambda store: store.create("db/b", b"x"),
    lambda store: store.replace("db/a", b"x", '"tag"'),
    lambda store: store.delete("db/a"),
]


@pytest.fixture(scope="module")
def served() -> Iterator[Aws]:
    """An S3 of our own: its answers get spoiled."""
    with serve_aws() as aws:
        client = boto3.client("s3", "us-east-1", endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s")
        client.create_bucket(Bucket="bucket")
        client.close()
        yield aws


@pytest.fixture
def aws(served: Aws) -> Iterator[Aws]:
    yield served
    served.after = None


@pytest.fixture
def settings(aws: Aws) -> Settings:
    return Settings("s3://bucket/p", endpoint_url=aws.url, credentials=Credentials("k", "s"))


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    return plain_s3(settings)


def error_body(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@pytest.mark.parametrize("ask", [*READS, *WRITES])
def test_no_permission_is_refused(aws: Aws, store: ObjectStore, ask: Ask) -> None:
    aws.after = lambda *_: ("403 Forbidden", error_body("AccessDenied"))

    with pytest.raises(Refused, match=r"403 Forbidden.*AccessDenied"):
        ask(store)


@pytest.mark.parametrize("ask", LISTS)
def test_no_permission_to_list_is_an_error_that_says_so(aws: Aws, store: ObjectStore, ask: Ask) -> None:
    """obstore has no name for it where it lists; nothing is empty for that."""
    aws.after = lambda *_: ("403 Forbidden", error_body("AccessDenied"))

    with pytest.raises(StoreError, match=r"db/: .*403 Forbidden.*AccessDenied"):
        ask(store)


def test_creating_in_no_bucket_is_refused(settings: Settings) -> None:
    """Never NotFound, which is no answer to a create."""
    store = plain_s3(replace(settings, store="s3://nobody-has-this/p"))

    with pytest.raises(Refused, match="bucket"):
        store.create("db/a", b"x")


@pytest.mark.parametrize("ask", LISTS)
def test_no_bucket_is_not_an_empty_bucket(settings: Settings, ask: Ask) -> None:
    store = plain_s3(replace(settings, store="s3://nobody-has-this/p"))

    with pytest.raises(StoreError, match="NoSuchBucket"):
        ask(store)


@pytest.mark.parametrize("ask", [*READS, *LISTS, *WRITES])
def test_a_server_that_fails_is_unavailable_after_a_few_tries(aws: Aws, store: ObjectStore, ask: Ask) -> None:
    answers = []

    def fail(*_: object) -> tuple[str, bytes]:
        answers.append(1)
        return "503 Slow Down", error_body("SlowDown")

    aws.after = fail
    with pytest.raises(Unavailable, match="503"):
        ask(store)

    assert 1 < len(answers) <= 2 * (1 + s3_store_module.RETRIES)


def test_a_lost_answer_to_a_create_is_sent_again_and_meets_its_own_object(aws: Aws, store: ObjectStore) -> None:
    """Why AlreadyExists is never a verdict."""

    def lose_one(*_: object) -> tuple[str, bytes]:
        aws.after = None
        return "500 Internal Server Error", error_body("InternalError")

    aws.after = lose_one
    with pytest.raises(AlreadyExists):
        store.create("db/own", b"mine")

    assert store.get("db/own") == b"mine"


def test_a_conditional_conflict_is_an_object_that_need_not_exist(aws: Aws, store: ObjectStore) -> None:
    """S3's 409 ConditionalRequestConflict: the other reason why AlreadyExists is never a verdict."""
    aws.after = lambda *_: ("409 Conflict", error_body("ConditionalRequestConflict"))

    with pytest.raises(AlreadyExists):
        store.create("db/clash", b"x")


@pytest.mark.parametrize("ask", [*READS, *LISTS, *WRITES])
def test_nobody_at_home_is_unavailable_soon(settings: Settings, ask: Ask) -> None:
    store = plain_s3(replace(settings, endpoint_url=f"http://127.0.0.1:{free_port()}"))
    started = time.monotonic()

    with pytest.raises(Unavailable, match="no connection"):
        ask(store)

    assert time.monotonic() - started < 2 * (obstore_client.RETRY_SECONDS + obstore_client.CONNECT_SECONDS)


def test_messages_have_one_line(settings: Settings) -> None:
    store = plain_s3(replace(settings, endpoint_url=f"http://127.0.0.1:{free_port()}"))

    with pytest.raises(Unavailable) as caught:
        store.get("db/a")

    assert str(caught.value).startswith("db/a: ")
    assert "\n" not in str(caught.value)
    assert caught.value.key == "db/a"


def test_session_tokens_are_sent(aws: Aws, settings: Settings) -> None:
    """Lambda's credentials have one, and are nothing without it."""
    seen = []
    inner = aws._application
    try:

        def spy(environ: dict[str, str], start_response: object) -> object:
            seen.append(environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
            return inner(environ, start_response)

        aws._application = spy
        store = plain_s3(replace(settings, credentials=Credentials("k", "s", "the token")))
        store.create("db/with-token", b"x")
    finally:
        aws._application = inner

    assert seen == ["the token"]


# The client that is made while the function starts


def test_the_first_read_finds_the_client_that_was_prepared() -> None:
    made: list[int] = []
    objects = MemoryStore()

    def client(retries: int) -> MemoryStore:
        made.append(retries)
        return objects

    store = s3_store_module.ObstoreStore(client)
    store.prepare()
    assert made == [s3_store_module.RETRIES]
    store.create("db/a", b"x")
    assert store.get("db/a") == b"x"
    assert made.count(s3_store_module.RETRIES) == 1


def test_what_cannot_be_prepared_is_reported_by_the_first_request() -> None:
    def client(_retries: int) -> MemoryStore:
        raise OSError("no certificates")

    store = s3_store_module.ObstoreStore(client)
    store.prepare()
    with pytest.raises(StoreError) as caught:
        store.get("db/a")
    assert "no certificates" in str(caught.value.__cause__)
