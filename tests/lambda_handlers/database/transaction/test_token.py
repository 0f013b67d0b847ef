"""Tokens: exact, and refused if anything about them is not as the stack made it."""

from __future__ import annotations

import base64
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.database.transaction import token
from lambda_handlers.database.transaction.token import (
    LIFE_SECONDS,
    MAX_BYTES,
    MAX_CHARACTERS,
    PREFIX_BYTES,
    Tokens,
    Transaction,
    decode,
    encode,
)
from lambda_handlers.storage.log.keys import streams_prefix, transactions_key
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Many, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.transactions import kept_insert, open_transaction, transactions
from tests.fakes.stores.faulty import FaultyStore, PresigningStore
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return PresigningStore(memory_store())


@pytest.fixture
def tokens(store, clock):
    return made(store, clock)


def made(store: ObjectStore, clock: Clock, **options: str) -> Tokens:
    """As a container makes them."""
    return Tokens(MeteredStore(store), clock.host(), **options)


def refusal(tokens: Tokens, text: object, database: str = "main", caller: str = "") -> SldbError:
    with pytest.raises(SldbError) as caught:
        tokens.open(text, database, caller)
    return caught.value


def a_transaction(clock: Clock, count: int = 3, **fields: object) -> Transaction:
    inserts = [kept_insert(number) for number in range(count)]
    return open_transaction(clock.time + LIFE_SECONDS, *inserts, **fields)


# Encoding


@given(transactions)
def test_a_transaction_comes_back_exactly(transaction):
    body = encode(transaction)
    assert repr(decode(body)) == repr(transaction)  # NaN is not equal to itself
    assert encode(decode(body)) == body


@pytest.mark.long
@given(transactions, st.binary(min_size=1, max_size=3))
def test_other_bytes_are_no_transaction(transaction, more):
    body = encode(transaction)
    packed = zlib.decompress(body)
    for other in (body[:-1], body + more, more, b"", zlib.compress(packed + more), zlib.compress(packed[:-1])):
        with pytest.raises(SldbError) as caught:
            decode(other)
        assert caught.value.code == "bad_request"


def test_no_more_is_expanded_than_the_limit(monkeypatch):
    bomb = zlib.compress(bytes(20_000_000))
    monkeypatch.setattr(token, "MAX_BYTES", 1000)
    monkeypatch.setattr(token, "_unpack", lambda packed: pytest.fail("it was read"))
    tracemalloc.start()
    try:
        with pytest.raises(SldbError) as caught:
            decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad_request"


def test_what_is_exactly_as_large_as_the_limit_is_accepted(monkeypatch, clock):
    transaction = a_transaction(clock)
    size = len(zlib.decompress(encode(transaction)))
    monkeypatch.setattr(token, "MAX_BYTES", size)
    assert decode(encode(transaction)) == transaction
    body = encode(transaction)
    monkeypatch.setattr(token, "MAX_BYTES", size - 1)
    for act in (lambda: encode(transaction), lambda: decode(body)):
        with pytest.raises(SldbError):
            act()


def test_what_is_larger_than_the_limit_is_refused_when_the_token_is_made(tokens, clock):
    large = replace(kept_insert(1), params=(bytes(MAX_BYTES),))
    with pytest.raises(SldbError) as caught:
        tokens.seal(open_transaction(clock.time, large))
    assert (caught.value.code, caught.value.details["applied"]) == ("too_large", "no")


def test_equal_transactions_have_equal_tokens(tokens, store, clock):
    transaction = a_transaction(clock, attached={"a": 1, "b": 2})
    other = replace(transaction, attached={"b": 2, "a": 1})
    assert tokens.seal(transaction) == made(store, clock).seal(other)
    assert transaction.key == other.key


# Sealing


def test_a_token_opens_in_every_container_of_the_stack(tokens, store, clock):
    transaction = a_transaction(clock)
    assert made(store, clock).open(tokens.seal(transaction), "main", "") == transaction


@given(st.data())
def test_a_token_that_differs_in_anything_is_refused(data):
    clock = Clock()
    tokens = made(memory_store(), clock)
    text = tokens.seal(a_transaction(clock, data.draw(st.integers(0, 3))))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii", exclude_characters=text[at]) | st.sampled_from("é=\n +/😀\ud800"))
    cut, more = data.draw(st.integers(1, len(text))), data.draw(st.text(min_size=1, max_size=5))
    for forged in (
        text[:at] + other + text[at + 1 :],
        text[:-cut],
        text + more,
        more + text,
        text[:at] + text[at + 1 :],
    ):
        assert refusal(tokens, forged).code == "bad_request"


def test_every_single_bit_counts(tokens, clock):
    text = tokens.seal(a_transaction(clock, 0))
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for number in range(len(raw) * 8):
        raw[number // 8] ^= 1 << number % 8
        forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        assert refusal(tokens, forged).code == "bad_request"
        raw[number // 8] ^= 1 << number % 8


def test_another_text_of_the_same_bytes_is_refused(tokens, clock):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    texts = (tokens.seal(a_transaction(clock, 0, id="x" * length)) for length in range(6))
    text = next(text for text in texts if len(text) % 4)
    assert tokens.open(text, "main", "")
    spare = 4 if len(text) % 4 == 2 else 2  # bits of the last character that stand for nothing
    last = alphabet.index(text[-1])
    same = text[:-1] + alphabet[last | (1 << spare) - 1]
    pad = "=" * (-len(text) % 4)
    assert base64.urlsafe_b64decode(same + pad) == base64.urlsafe_b64decode(text + pad)
    for other in (same, text + pad):
        assert refusal(tokens, other).code == "bad_request"


@pytest.mark.parametrize("text", [None, 7, "", [], {"token": "x"}, b"x", "x" * (MAX_CHARACTERS + 1), "AQAA", "\0"])
def test_what_is_no_token_at_all(tokens, text):
    error = refusal(tokens, text)
    assert (error.code, error.details["field"]) == ("bad_request", "transaction.token")


def test_a_token_of_another_stack_database_or_caller_is_refused(tokens, clock):
    text = tokens.seal(a_transaction(clock, caller="arn:aws:iam::1:user/ann"))
    assert tokens.open(text, "main", "arn:aws:iam::1:user/ann").database == "main"
    for error in (
        refusal(made(memory_store(), Clock(seed=1)), text, "main", "arn:aws:iam::1:user/ann"),
        refusal(tokens, text, "other", "arn:aws:iam::1:user/ann"),
        refusal(tokens, text, "main", "arn:aws:iam::1:user/eve"),
        refusal(tokens, text, "main", ""),
    ):
        assert (error.code, error.details["field"]) == ("bad_request", "transaction.token")
        assert "ann" not in error.message


def test_a_seal_is_compared_before_anything_is_read(tokens, store, clock, monkeypatch):
    """Of a forged token neither an object is fetched nor a byte expanded."""
    inline, stored = tokens.seal(a_transaction(clock)), tokens.seal(a_transaction(clock, 9000))
    store.calls.clear()
    monkeypatch.setattr(token, "decode", lambda body: pytest.fail("expanded"))
    for text in (inline, stored):
        for forged in (text[:-2] + "AA", "B" + text[1:], text[:4] + "AAAA" + text[8:]):
            assert refusal(tokens, forged).code == "bad_request"
    assert store.calls == []


def test_seals_are_compared_in_constant_time(tokens, clock, monkeypatch):
    compared = []
    monkeypatch.setattr(token.hmac, "compare_digest", lambda *seals: compared.append(seals) or seals[0] == seals[1])
    text = tokens.seal(a_transaction(clock))
    tokens.open(text, "main", "")
    refusal(tokens, text[:-8] + "A" * 8)
    assert [len(seal) for seals in compared for seal in seals] == [32] * 4


def test_only_a_token_with_many_rows_is_of_the_second_version(tokens, clock):
    """Functions of earlier versions open all others."""
    one, other = kept_insert(1), replace(kept_insert(2), params=Many(((1, "x", None), (2, "y", 0.5))))
    versions = [
        base64.urlsafe_b64decode(tokens.seal(open_transaction(clock.time + LIFE_SECONDS, *kept))[:4])[0]
        for kept in ((one,), (one, other))
    ]
    assert versions == [1, 2]


def test_a_sealed_body_of_another_version_is_refused(tokens, store, clock, monkeypatch):
    text = tokens.seal(a_transaction(clock))
    for name, value in (("_VERSION", 3), ("_INLINE", 7)):
        with monkeypatch.context() as patch:
            patch.setattr(token, name, value)
            other = tokens.seal(a_transaction(clock))
        assert other != text
        assert "another version" in refusal(tokens, other).message


# Time and engine


@pytest.mark.parametrize(("seconds", "opens"), [(0, True), (86_459, True), (86_461, False), (-59, True), (-61, False)])
def test_a_token_is_valid_for_a_day_and_a_minute_of_skew(tokens, clock, seconds, opens):
    transaction = open_transaction(tokens.expires_at())
    text = tokens.seal(transaction)
    clock.time += seconds
    if opens:
        assert tokens.open(text, "main", "") == transaction
    else:
        error = refusal(tokens, text)
        assert (error.code, error.details["field"]) == ("not_found", "transaction.token")
        assert "begin a new one" in error.hint


def test_another_engine_is_a_conflict(tokens, store, clock):
    text = tokens.seal(a_transaction(clock))
    error = refusal(made(store, clock, engine="3.99.0/1"), text)
    assert (error.code, error.hint, error.details["applied"]) == ("conflict", "begin it again", "no")


# Size


def test_a_token_of_a_thousand_inserts_is_inline_and_a_larger_one_an_object(tokens, store, clock):
    """docs/interface.md has the figures."""
    sizes = {count: len(tokens.seal(a_transaction(clock, count))) for count in (0, 1, 1000, 10_000)}
    assert sizes[0] < 200
    assert 30_000 < sizes[1000] < 33_000
    assert sizes[10_000] < 200
    (info,) = store.list_objects(streams_prefix())
    assert info.size > MAX_CHARACTERS * 3 / 4
    text = tokens.seal(a_transaction(clock, 10_000))
    assert made(store, clock).open(text, "main", "") == a_transaction(clock, 10_000)


def test_an_inline_token_takes_no_request_once_the_key_is_known(clock):
    store = FaultyStore(memory_store())
    tokens = made(store, clock)
    text = tokens.seal(a_transaction(clock, 100))
    assert store.calls == [(verb, transactions_key()) for verb in ("get", "create")]
    store.calls.clear()
    tokens.seal(tokens.open(text, "main", ""))
    assert store.calls == []
    made(store, clock).open(text, "main", "")
    assert store.calls == [("get", transactions_key())]


def test_a_stored_token_takes_one_put_and_one_get(store, tokens, clock):
    tokens.seal(a_transaction(clock))
    store.calls.clear()
    text = tokens.seal(a_transaction(clock, 10_000))
    assert store.verbs() == ["create"]
    tokens.open(text, "main", "")
    assert store.verbs() == ["get"]


# Prefixes


@pytest.mark.long
@given(transactions, transactions)
def test_a_prefix_has_the_hash_of_the_same_first_statements(one, other):
    hashes = one.attempt().prefixes
    assert len(hashes) == PREFIX_BYTES * len(one.statements)
    for count in range(len(one.statements) + 1):
        assert replace(one, statements=one.statements[:count]).attempt().prefixes == hashes[: count * PREFIX_BYTES]
    both = replace(one, statements=one.statements + other.statements).attempt().prefixes
    assert both[: len(hashes)] == hashes


def test_what_is_in_the_hash():
    kept = kept_insert(1)
    others = [replace(kept, sql="x"), replace(kept, params=None), replace(kept, shows_lastrowid=True)]
    hashes = {open_transaction(0, one).attempt().prefixes for one in (kept, *others)}
    assert len(hashes) == 4
    after = {open_transaction(0, one, kept).attempt().prefixes[PREFIX_BYTES:] for one in (kept, *others)}
    assert len(after) == 4
    assert open_transaction(0, replace(kept, digest=b"x" * 16)).attempt().prefixes in hashes
