"""Changes of the access document by several operators at once: none is lost, none is applied twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from lambda_handlers.access.callers import Document
from lambda_handlers.access.identities import token_identity
from lambda_handlers.access.tokens import new_id
from lambda_handlers.wire import SldbError
from sldb.access import changes
from sldb.access.document import MAX_TRIES, AccessDocument, BucketDocument
from sldb.access.entries import new_entry

ACCOUNT = "123456789012"
OPERATORS, CALLERS_EACH = 3, 4


class Memory:
    """An object in memory whose conditional write is atomic. `lost`: so many writes are done, and refused afterwards,
    as to a client that sends them again after a lost answer."""

    def __init__(self, lost: int = 0) -> None:
        self.content: tuple[bytes, str] | None = None
        self.lost = lost
        self.writes = 0
        self._lock = threading.Lock()

    def read(self) -> tuple[bytes, str] | None:
        return self.content

    def write(self, data: bytes, version: str | None) -> bool:
        with self._lock:
            if (self.content and self.content[1]) != version:
                return False
            self.writes += 1
            self.content = (data, str(self.writes))
            if self.lost:
                self.lost -= 1
                return False
            return True


def adding(number: int) -> Callable[[Document], Document]:
    entry = new_entry(f"caller-{number}", ["main"], 1_000 + number, may_write=True)
    return lambda before: changes.add(before, identity(number), entry)


def revoking(number: int) -> Callable[[Document], Document]:
    return lambda before: changes.revoke(before, identity(number), 9_000)


def identity(number: int) -> str:
    return token_identity(new_id(number.to_bytes(16, "big")))


def race(open_document: Callable[[], AccessDocument]) -> None:
    """Have operators add callers at once, each over its own connection, and revoke every second one."""
    started = threading.Barrier(OPERATORS)

    def operate(operator: int) -> None:
        document = open_document()
        started.wait(60)
        for count in range(CALLERS_EACH):
            number = operator * CALLERS_EACH + count
            document.change(adding(number))
            if number % 2:
                document.change(revoking(number))

    with ThreadPoolExecutor(OPERATORS) as threads:
        list(threads.map(operate, range(OPERATORS)))
    found = dict(open_document().read().entries())
    assert sorted(found) == sorted(identity(number) for number in range(OPERATORS * CALLERS_EACH))
    assert {one for one, entry in found.items() if entry.revoked_ms} == {
        identity(number) for number in range(1, OPERATORS * CALLERS_EACH, 2)
    }


def test_operators_at_once_over_an_atomic_object() -> None:
    stored = Memory()
    race(lambda: AccessDocument(stored, sleep=lambda _: None))


def test_operators_at_once_over_s3(s3_url: str, s3_client: Any) -> None:
    s3_client.create_bucket(Bucket="race-of-operators")

    def opened() -> AccessDocument:
        session = boto3.Session("k", "s", region_name="us-east-1")
        client = session.client("s3", endpoint_url=s3_url)
        return AccessDocument(BucketDocument(client, "race-of-operators", ACCOUNT), sleep=lambda _: None)

    race(opened)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_write_whose_answer_was_lost_is_not_done_twice(lost: int) -> None:
    stored = Memory(lost)
    document = AccessDocument(stored, sleep=lambda _: None)
    document.change(adding(1))
    document.change(revoking(1))
    assert [(one, entry.revoked_ms) for one, entry in document.read().entries()] == [(identity(1), 9_000)]
    assert stored.writes == 2


def test_a_caller_that_was_revoked_before_the_repetition_stays_revoked() -> None:
    stored = Memory(lost=1)
    operator, other = (AccessDocument(stored, sleep=lambda _: None) for _ in range(2))
    tries = 0

    def add_slowly(before: Document) -> Document:
        nonlocal tries
        tries += 1
        if tries == 2:
            other.change(revoking(1))
        return adding(1)(operator.read() if tries == 2 else before)

    operator.change(add_slowly)
    entry = operator.read().find(identity(1))
    assert entry is not None
    assert entry.revoked_ms == 9_000


def test_an_operator_that_is_always_too_late_gives_up() -> None:
    class Busy(Memory):
        def write(self, data: bytes, version: str | None) -> bool:
            self.writes += 1
            return False

    stored = Busy()
    with pytest.raises(SldbError) as caught:
        AccessDocument(stored, sleep=lambda _: None).change(adding(1))
    assert (caught.value.code, caught.value.details["applied"], stored.writes) == ("conflict", "no", MAX_TRIES)


def test_a_damaged_document_is_not_replaced() -> None:
    stored = Memory()
    stored.content = (b'{"version": 2}', "1")
    with pytest.raises(SldbError) as caught:
        AccessDocument(stored).change(adding(1))
    assert (caught.value.code, stored.writes) == ("corrupt", 0)


def test_a_change_of_nothing_writes_nothing() -> None:
    stored = Memory()
    AccessDocument(stored).change(revoking(1))
    assert stored.content is None


def test_the_object_in_a_bucket(s3_client: Any) -> None:
    s3_client.create_bucket(Bucket="access-object")
    stored = BucketDocument(s3_client, "access-object", ACCOUNT)
    assert stored.read() is None
    assert not stored.write(b"x", '"a version that never was"')
    assert stored.write(b"first", None)
    assert not stored.write(b"second", None)
    data, version = stored.read() or (b"", "")
    assert data == b"first"
    assert stored.write(b"third", version)
    assert not stored.write(b"fourth", version)
    assert s3_client.get_object(Bucket="access-object", Key="databases/_access/callers.json")["Body"].read() == b"third"


def test_a_bucket_that_is_not_there_is_an_error(s3_client: Any) -> None:
    with pytest.raises(SldbError, match="callers of the stack") as caught:
        AccessDocument(BucketDocument(s3_client, "no-such-bucket", ACCOUNT)).read()
    assert caught.value.code == "store_error"
