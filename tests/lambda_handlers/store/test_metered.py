"""The counts of requests and bytes, as S3 would bill them."""

from __future__ import annotations

import threading

import pytest

from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import AlreadyExists, CopyOf, StoreError
from tests.fakes.stores.memory import memory_store

MIB = bytes(range(256)) * 4096


def test_the_metered_store_counts_requests_and_bytes() -> None:
    metered = MeteredStore(memory_store())
    tag = metered.create("db/a", b"12345")
    metered.get("db/a")
    metered.get_with_tag("db/a")
    metered.get_range("db/a", 1, 2)
    list(metered.chunks("db/a"))
    list(metered.list_objects("db/"))
    metered.list_directories("")
    metered.replace("db/a", b"1234567", tag)
    metered.delete("db/a")

    assert (metered.requests, metered.bytes_out, metered.bytes_in) == (9, 12, 17)


def test_the_metered_store_counts_as_s3_would() -> None:
    metered = MeteredStore(memory_store())
    metered.create_from("small", [b"123", b"45"])
    assert (metered.requests, metered.bytes_out) == (1, 5)
    metered.create_from("large", [MIB] * 17)  # 3 parts, and to begin and to complete
    assert (metered.requests, metered.bytes_out) == (6, 5 + (17 << 20))
    metered.assemble("both", [b"12345", CopyOf("large", 0, 10)])
    assert (metered.requests, metered.bytes_out) == (10, 10 + (17 << 20))
    metered.put("x", b"1")
    metered.size("x")
    metered.delete_many([f"{number}" for number in range(1001)])
    assert (metered.requests, metered.bytes_in, metered.bytes_out) == (14, 0, 11 + (17 << 20))


def test_the_metered_store_loses_no_count_to_threads() -> None:
    metered = MeteredStore(memory_store())
    metered.create("a", b"x" * 10)

    def read() -> None:
        for _ in range(300):
            metered.get_range("a", 0, 7)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (metered.requests, metered.bytes_in) == (2401, 16_800)


def test_the_metered_store_counts_what_fails() -> None:
    metered = MeteredStore(memory_store())
    for ask in (lambda: metered.get("a"), lambda: list(metered.chunks("a")), lambda: metered.get_range("a", 0, 1)):
        with pytest.raises(StoreError):
            ask()
    assert metered.requests == 3

    metered.create("there", b"x")
    with pytest.raises(AlreadyExists):
        metered.create_from("there", [b"12345"])
    assert (metered.requests, metered.bytes_out) == (5, 6)


def test_the_metered_store_counts_pages_of_a_listing() -> None:
    inner = memory_store()
    for number in range(2001):
        inner.create(f"db/{number:05}", b"")
    metered = MeteredStore(inner)

    assert len(list(metered.list_objects("db/"))) == 2001
    assert metered.requests == 3
