"""The key of the stack: one for all containers, whatever happens while it is made; damage is told."""

from __future__ import annotations

import os
import threading

import pytest

from lambda_handlers.database.transaction.key import (
    MAX_ATTEMPTS,
    MIN_SECONDS_BETWEEN_READINGS,
    SECRET_BYTES,
    StackKey,
)
from lambda_handlers.database.transaction.token import LIFE_SECONDS, Tokens
from lambda_handlers.host import Host
from lambda_handlers.shared.sealed_json import seal
from lambda_handlers.storage.log.keys import transactions_key
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import PRIVATE_PREFIX, ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.transactions import open_transaction
from tests.fakes.stores.faulty import (
    FaultyStore,
    answers,
    blame_own,
    clash,
    lose_answer,
    lose_request,
    meanwhile,
    refuse,
)
from tests.fakes.stores.memory import memory_store

KEY = transactions_key()


@pytest.fixture
def store():
    return FaultyStore(memory_store())


def key_of(store: ObjectStore, host: Host | None = None) -> StackKey:
    """As a container has it."""
    return StackKey(MeteredStore(store), host or Host())


def test_it_is_made_once_and_read_once_by_each_container(store):
    first, second = key_of(store), key_of(store)
    secret = first.secret()
    assert len(secret) == SECRET_BYTES
    assert second.secret() == secret
    assert {first.secret(), second.secret()} == {secret}
    assert store.calls == [("get", KEY), ("create", KEY), ("get", KEY)]
    assert secret.hex().encode() in store.get(KEY)


def test_of_two_makers_one_wins_and_both_use_its_key(store):
    other = key_of(store)
    store.plan("create", meanwhile(other.secret))
    assert key_of(store).secret() == other.secret()
    assert len(store.written[KEY]) == 1


def test_many_makers_at_once_have_one_key(tmp_path):
    secrets = []
    keys = [key_of(DirectoryStore(tmp_path)) for _ in range(8)]
    threads = [threading.Thread(target=lambda key=key: secrets.append(key.secret())) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 8
    assert len(set(secrets)) == 1


@pytest.mark.parametrize("step", [lose_request, lose_answer, blame_own, clash])
@pytest.mark.parametrize("times", range(MAX_ATTEMPTS))
def test_a_create_without_a_clear_answer_is_read_back(store, step, times):
    store.plan("create", *[step] * times)
    secret = key_of(store).secret()
    assert key_of(store).secret() == secret
    assert len(store.written[KEY]) == 1


@pytest.mark.parametrize("verb", ["get", "create"])
@pytest.mark.parametrize("step", [lose_request, refuse])
def test_a_store_that_does_not_answer_is_a_store_error(store, verb, step):
    store.plan(verb, *[step] * 9)
    with pytest.raises(SldbError) as caught:
        key_of(store).secret()
    assert (caught.value.code, caught.value.details["applied"]) == ("store_error", "no")
    store.forget_plans()
    assert key_of(store).secret()


def test_a_key_damaged_in_transit_is_read_again(store):
    secret = key_of(store).secret()
    store.plan("get", answers(b"damaged"))
    assert key_of(store).secret() == secret


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        bytes(32),
        seal({"version": 1, "secret": "ab" * SECRET_BYTES}, "_keys/other"),
        seal({"version": 1, "secret": "ab" * SECRET_BYTES}, KEY)[:-1],
        seal({"version": 1, "secret": "ab" * SECRET_BYTES}, KEY).replace(b"ab", b"bb", 1),
        seal({"version": 1, "secret": ""}, KEY),
        seal({"version": 1, "secret": "ab" * (SECRET_BYTES - 1)}, KEY),
        seal({"version": 1, "secret": "xy" * SECRET_BYTES}, KEY),
        seal({"version": 1}, KEY),
        seal({"version": 1, "secret": 7}, KEY),
        seal({"version": 2, "secret": "ab" * SECRET_BYTES}, KEY),
    ],
)
def test_a_damaged_key_is_an_error_that_says_so_and_no_new_key(store, body):
    store.create(KEY, body)
    for act in (key_of(store).secret, lambda: Tokens(MeteredStore(store), Host()).seal(open_transaction(0))):
        with pytest.raises(SldbError) as caught:
            act()
        assert (caught.value.code, caught.value.details["key"]) == ("corrupt", KEY)
        assert "delete the object" in caught.value.hint
        assert "ab" * 8 not in caught.value.message
    assert store.get(KEY) == body


def test_every_flipped_bit_is_damage(store):
    key_of(store).secret()
    body = bytearray(store.get(KEY))
    for number in range(0, len(body) * 8, 5):
        body[number // 8] ^= 1 << number % 8
        store.plan("get", answers(bytes(body)), answers(bytes(body)))
        with pytest.raises(SldbError, match="damaged"):
            key_of(store).secret()
        body[number // 8] ^= 1 << number % 8


def test_after_a_deletion_all_containers_come_to_use_the_new_key(store):
    clock = Clock()
    one, two = (Tokens(MeteredStore(store), clock.host()) for _ in range(2))
    transaction = open_transaction(clock.time + LIFE_SECONDS)
    old = one.seal(transaction)
    assert two.open(old, "main", "") == transaction
    store.delete(KEY)
    assert one.open(old, "main", "") == transaction  # nothing has told it yet
    clock.time += MIN_SECONDS_BETWEEN_READINGS
    new = Tokens(MeteredStore(store), clock.host()).seal(transaction)
    for tokens in (one, two):
        assert tokens.open(new, "main", "") == transaction
        with pytest.raises(SldbError) as caught:
            tokens.open(old, "main", "")
        assert caught.value.code == "bad_request"


def test_forged_tokens_have_the_key_read_once_a_minute_at_most(store):
    clock = Clock()
    tokens = Tokens(MeteredStore(store), clock.host())
    text = tokens.seal(open_transaction(clock.time))
    store.calls.clear()
    for seconds, reads in ((0, 0), (59, 0), (1, 1), (0, 1), (59, 1), (1, 2)):
        clock.time += seconds
        for _ in range(3):
            with pytest.raises(SldbError):
                tokens.open("A" * len(text), "main", "")
        assert store.calls == [("get", KEY)] * reads


def test_in_a_directory_only_its_owner_may_read_it(tmp_path):
    key_of(DirectoryStore(tmp_path)).secret()
    assert KEY.startswith(PRIVATE_PREFIX)
    assert os.name == "nt" or (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
