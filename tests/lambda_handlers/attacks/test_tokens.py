"""Attempts with the tokens of transactions: changed, foreign, copied, committed again, larger than they look.

Each attempt goes through the real service, and afterwards the same container continues the real transaction.
docs/security.md has the table of these tests.
"""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from lambda_handlers.database.transaction.key import StackKey
from lambda_handlers.database.transaction.token import LIFE_SECONDS, MAX_BYTES, MAX_CHARACTERS
from lambda_handlers.database.transaction.token import _seal as seal_of
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import streams_prefix, transactions_key
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> PresigningStore:
    return PresigningStore(Timed(memory_store(), clock))


@pytest.fixture
def service(store: ObjectStore, clock: Clock) -> Iterator[Service]:
    service = container(store, host=clock.host(), log_level="debug")
    run(service, "CREATE TABLE t (a)")
    run(service, "CREATE TABLE t (a)", database="other")
    yield service
    service.close()


@pytest.fixture
def transaction(service: Service) -> Interactive:
    """An open one, which has written."""
    opened = Interactive(service)
    opened.run("INSERT INTO t VALUES (?)", [1])
    return opened


def refusal(service: Service, token: object, database: str = "main", **more: Any) -> SldbError:
    """The error of a request with a token."""
    event = {"database": database, "transaction": {"token": token, **more}, "query": "INSERT INTO t VALUES (7)"}
    reply = service.handle(event)
    assert reply["statusCode"] >= 400, reply
    assert "transaction" not in reply["body"]
    return SldbError.decode(reply["body"])


def rows(service: Service, database: str = "main") -> list[Any]:
    return [value for (value,) in run(service, "SELECT a FROM t ORDER BY rowid", database=database).rows]


def raw(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_change_a_token(service: Service, transaction: Interactive) -> None:
    """Other statements, another state, another clock: by flipped bits, parts of other tokens, a seal of one's own."""
    other = Interactive(service)
    other.run("DELETE FROM t")
    chance, real, theirs = random.Random(4711), raw(transaction.token), raw(other.token)
    packed = zlib.decompress(real[2:-32])
    changed = real[:2] + zlib.compress(packed.replace(b"INSERT", b"DELETE")) + real[-32:]
    forged = [
        changed,
        theirs[:-32] + real[-32:],
        real[:-32] + theirs[-32:],
        real[:-32] + bytes(32),
        real[:-32],
        real[2:],
    ]
    for _ in range(200):
        flipped = bytearray(real)
        flipped[chance.randrange(len(real))] ^= 1 << chance.randrange(8)
        forged.append(bytes(flipped))
    for one in forged:
        for more in ({}, {"end": "commit"}, {"end": "rollback"}):
            error = refusal(service, text(one), **more)
            assert (error.code, error.details["field"]) == ("bad_request", "transaction.token")
    transaction.commit()
    assert rows(service) == [1]


def test_send_what_is_no_token(service: Service, transaction: Interactive) -> None:
    for token in (True, 7, [], {}, "", "\0", "=" * 8, "é", "A" * MAX_CHARACTERS, "A" * 3_000_000, transactions_key()):
        assert refusal(service, token).code == "bad_request"
    transaction.commit()
    assert rows(service) == [1]


def test_use_a_token_elsewhere(service: Service, transaction: Interactive, clock: Clock) -> None:
    """In another database, for another caller, in another stack."""
    foreign = container(memory_store(), host=Clock(seed=9).host())
    run(foreign, "CREATE TABLE t (a)")
    for where, database in ((service, "other"), (foreign, "main")):
        for more in ({}, {"end": "commit"}):
            error = refusal(where, transaction.token, database, **more)
            assert (error.code, error.details["field"]) == ("bad_request", "transaction.token")
    assert (rows(service, "other"), rows(foreign)) == ([], [])
    foreign.close()
    transaction.commit()


def test_commit_a_transaction_more_than_once(service: Service, store: ObjectStore, clock: Clock) -> None:
    """By any of its tokens, in any container, also after requests of the same id would be forgotten."""
    transaction = Interactive(service)
    for value in (1, 2, 3):
        transaction.run("INSERT INTO t VALUES (?)", [value])
    first = transaction.commit(request_id="mine")
    for _ in range(23):
        clock.time += 3600
        run(service, "INSERT INTO t VALUES (0)")
    other = container(store, host=clock.host())
    for where in (service, other):
        for token in transaction.tokens[1:]:
            again = transaction.commit(where, token)
            assert (again.txid, again.transaction) == (first.txid, {"ended": "commit"})
            error = refusal(where, token, end="commit")  # with one more statement
            assert (error.code, error.details["applied"]) == ("conflict", "no")
    other.close()
    assert [value for value in rows(service) if value] == [1, 2, 3]
    clock.time += LIFE_SECONDS
    for token in transaction.tokens:
        assert refusal(service, token, end="commit").code == "not_found"
    assert [value for value in rows(service) if value] == [1, 2, 3]


def test_forget_by_sql_that_a_transaction_was_committed(service: Service, transaction: Interactive) -> None:
    first = transaction.commit()
    for query in (
        "DELETE FROM _sldb_transactions",
        "UPDATE _sldb_transactions SET expires_at = 0",
        "UPDATE _sldb_transactions SET id = 'x'",
        "DROP TABLE _sldb_transactions",
        "ALTER TABLE _sldb_transactions RENAME TO mine",
        "CREATE TEMP TABLE _sldb_transactions (id, expires_at, prefixes, reply)",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _sldb_transactions; END; INSERT INTO t VALUES (9)",
        "CREATE TRIGGER g BEFORE INSERT ON _sldb_transactions BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TABLE x (a REFERENCES _sldb_transactions (id) ON DELETE CASCADE)",
    ):
        with pytest.raises(SldbError) as caught:
            run(service, query)
        assert caught.value.code in ("forbidden", "sql_error")
        with pytest.raises(SldbError):
            Interactive(service, query=query)
        assert transaction.commit().txid == first.txid
    assert rows(service) == [1]


def test_have_a_token_expand_to_more_than_memory(
    service: Service, transaction: Interactive, store: PresigningStore, clock: Clock
) -> None:
    """Without the key nothing of it is expanded; with it, no more than a transaction may have."""
    secret = StackKey(MeteredStore(store), clock.host()).secret()
    bomb = bytes((1, 0)) + zlib.compress(bytes(2 * MAX_BYTES))
    store.calls.clear()
    for seal in (bytes(32), seal_of(secret, bomb)):
        assert refusal(service, text(bomb + seal)).code == "bad_request"
    assert not [key for _, key in store.calls if key.startswith("_")]
    transaction.commit()


def test_change_the_object_of_a_large_transaction(service: Service, store: PresigningStore) -> None:
    """By a right to write in the bucket: the object is that of the token, or none."""
    tokens = []
    for seed in (1, 2):
        blob = base64.b64encode(random.Random(seed).randbytes(100_000)).decode()
        large = Interactive(service)
        large.run("INSERT INTO t VALUES (length(?))", [{"$blob": blob}])
        tokens.append(large)
    keys = [info.key for info in store.list_objects(streams_prefix())]
    assert len(keys) == 2
    bodies = [store.get(key) for key in keys]
    for key, body in zip(keys, reversed(bodies), strict=True):
        store.delete(key)
        store.create(key, body)
    for large in tokens:
        assert refusal(service, large.token).code == "corrupt"
    for key, body in zip(keys, bodies, strict=True):
        store.delete(key)
        store.create(key, body)
    for large in tokens:
        large.commit()
    assert rows(service) == [100_000, 100_000]


def test_choose_the_clock_or_the_chance_of_a_transaction(service: Service, transaction: Interactive) -> None:
    pin = {"seed": "00" * 16, "time": "2000-01-01T00:00:00Z"}
    for wanted in ({"begin": True}, {"token": transaction.token}):
        reply = service.handle({"transaction": wanted, "query": "SELECT random()", "pin": pin})
        assert reply["body"]["error"]["code"] == "bad_request"
    one, two = (Interactive(service).run("SELECT random(), hex(randomblob(16))").rows for _ in range(2))
    assert one != two


def test_see_the_key_of_the_tokens(
    service: Service, store: PresigningStore, transaction: Interactive, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a token, a reply, an error, the log, or by SQL."""
    secret = StackKey(MeteredStore(store), Clock().host()).secret()
    service.handle({"transaction": {"token": transaction.token}, "query": "SELECT 'inside'"})
    refusal(service, transaction.token[:-4] + "AAAA")
    for name in ("_keys", "_keys/transactions", "../_keys", "main/../_keys/transactions"):
        assert refusal(service, transaction.token, name).code == "bad_request"
        with pytest.raises(SldbError) as caught:
            run(service, f"ATTACH '{name}' AS o")
        assert caught.value.code in ("forbidden", "not_found")
    logged = capsys.readouterr()
    seen = logged.out + logged.err
    assert secret not in raw(transaction.token)
    for hidden in (secret.hex(), text(secret), transaction.token, "'inside'", "INSERT INTO t"):
        assert hidden not in seen
