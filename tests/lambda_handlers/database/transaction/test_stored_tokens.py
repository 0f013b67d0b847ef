"""Transactions too large for their tokens: objects that are created, verified, and removed once they are old."""

from __future__ import annotations

import hashlib
import os

import pytest

from lambda_handlers.database.transaction.stored_tokens import (
    KEPT_SECONDS,
    MAX_ATTEMPTS,
    MIN_SECONDS_BETWEEN_REMOVALS,
    StoredTokens,
)
from lambda_handlers.database.transaction.token import LIFE_SECONDS, Tokens
from lambda_handlers.storage.log.keys import stream_key, streams_prefix
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.transactions import kept_insert, open_transaction
from tests.fakes.stores.faulty import (
    FaultyStore,
    PresigningStore,
    answers,
    blame_own,
    clash,
    lose_answer,
    lose_request,
    refuse,
)
from tests.fakes.stores.memory import memory_store

BODY = b"a body"
DIGEST = hashlib.sha256(BODY).digest()
KEY = stream_key(DIGEST.hex())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return PresigningStore(memory_store())


@pytest.fixture
def stored(store, clock):
    return of(store, clock)


def of(store: ObjectStore, clock: Clock) -> StoredTokens:
    return StoredTokens(MeteredStore(store), clock.host())


def test_a_body_is_created_under_its_digest_and_comes_back(stored, store):
    assert stored.keep(BODY) == DIGEST
    assert store.calls == [("create", KEY)]
    assert stored.kept(DIGEST) == BODY


@pytest.mark.parametrize("step", [lose_request, lose_answer, blame_own, clash])
@pytest.mark.parametrize("times", range(MAX_ATTEMPTS))
def test_whatever_a_create_answers(stored, store, step, times):
    store.plan("create", *[step] * times)
    assert stored.kept(stored.keep(BODY)) == BODY
    assert stored.keep(BODY) == DIGEST  # it exists already
    assert store.written[KEY] == [BODY]


@pytest.mark.parametrize("step", [lose_request, refuse])
@pytest.mark.parametrize("verb", ["create", "get"])
def test_a_store_that_does_not_answer_is_a_store_error(stored, store, step, verb):
    store.plan(verb, *[step] * MAX_ATTEMPTS)
    with pytest.raises(SldbError) as caught:
        stored.kept(stored.keep(BODY))
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")


@pytest.mark.parametrize("other", [b"", BODY + b"x", BODY[:-1], b"another"])
def test_what_is_read_is_compared_with_its_name(stored, store, other):
    stored.keep(BODY)
    store.plan("get", answers(other))  # in transit
    assert stored.kept(DIGEST) == BODY
    store.delete(KEY)
    store.create(KEY, other)
    with pytest.raises(SldbError) as caught:
        stored.kept(DIGEST)
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", KEY)


def test_one_that_is_gone_is_not_found_with_what_to_do(store, clock):
    tokens = Tokens(MeteredStore(store), clock.host())
    text = tokens.seal(open_transaction(clock.time + LIFE_SECONDS, *[kept_insert(number) for number in range(4000)]))
    (info,) = store.list_objects(streams_prefix())
    store.delete(info.key)
    with pytest.raises(SldbError) as caught:
        tokens.open(text, "main", "")
    assert (caught.value.code, caught.value.details["field"]) == ("not_found", "transaction.token")
    assert "begin a new one" in caught.value.hint


def test_no_object_is_removed_before_its_token_has_expired():
    assert KEPT_SECONDS > LIFE_SECONDS + 2 * SKEW_SECONDS


def test_in_a_bucket_the_lifecycle_rule_removes(stored, store, clock):
    for number in range(3):
        clock.time += KEPT_SECONDS
        stored.keep(b"%d" % number)
    assert set(store.verbs()) == {"create"}


def test_in_a_directory_a_write_removes_old_ones(tmp_path, clock):
    store = FaultyStore(DirectoryStore(tmp_path))
    stored = of(store, clock)
    stored.keep(BODY)
    other = tmp_path / "main"
    other.mkdir()
    (other / "old").write_bytes(b"x")
    times = [(KEY, -KEPT_SECONDS - 9), (stream_key("young"), -KEPT_SECONDS + 9), ("main/old", -9 * KEPT_SECONDS)]
    (tmp_path / stream_key("young")).write_bytes(b"x")
    for key, seconds in times:
        os.utime(tmp_path / key, (2e9 + seconds,) * 2)
    store.calls.clear()
    stored.keep(b"soon after")
    os.utime(tmp_path / stream_key(hashlib.sha256(b"soon after").hexdigest()), (2e9,) * 2)
    assert store.verbs() == ["create"]
    clock.time += MIN_SECONDS_BETWEEN_REMOVALS
    stored.keep(b"soon after")
    assert store.verbs() == ["create", "size", "list_objects", "delete"]  # it exists already
    assert sorted(path.name for path in tmp_path.rglob("[!.]*") if path.is_file()) == sorted(
        ["old", "young", hashlib.sha256(b"soon after").hexdigest()]
    )
