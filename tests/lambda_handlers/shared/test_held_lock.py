from __future__ import annotations

import json

from lambda_handlers.shared.held_lock import HeldLock, of_object, released
from lambda_handlers.shared.sealed import seal, unseal


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_a_taken_lock_names_its_holder() -> None:
    holder = of_object("main", body(owner="abc", created_at=100.5, doing="INSERT t", database="main"))
    assert holder == HeldLock("abc", "main", "abc", 100.5, "INSERT t")
    assert holder.age_seconds(110.5) == 10
    assert holder.age_seconds(90) == 0  # the holder's clock may be ahead of ours


def test_a_released_lock_is_free() -> None:
    assert of_object("main", body(owner=None, released="abc", released_at=5)) is None


def test_a_text_that_says_nothing_is_no_holder() -> None:
    assert of_object("main", b"\xff{") is None
    assert of_object("main", b"[]") is None


def test_a_lock_without_a_time_has_no_age() -> None:
    holder = of_object("main", body(owner="abc", created_at="yesterday"))
    assert holder is not None
    assert holder.age_seconds(100) is None


def test_a_time_that_is_none_is_no_age() -> None:
    for text in ("nan", "inf", "soon", None):
        holder = of_object("main", body(owner="abc", created_at=text))
        assert holder is not None
        assert holder.created_at is None


FIELDS = {"version": 2, "owner": "abc", "created_at": 100.5, "doing": "INSERT t", "database": "main"}


def test_a_sealed_lock_is_read_and_a_damaged_one_is_none() -> None:
    sealed = seal(FIELDS, "main/lock.json")
    holder = of_object("main", sealed)
    assert holder == HeldLock("abc", "main", "abc", 100.5, "INSERT t")
    assert of_object("other", sealed) is None
    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        assert of_object("main", bytes(damaged)) is None


def test_what_frees_it_is_sealed() -> None:
    body = released(HeldLock("abc", "main", "abc", 100.5), 7.5)
    assert unseal(body, "main/lock.json") == {
        "version": 2,
        "owner": None,
        "released": "abc",
        "released_at": 7.5,
        "database": "main",
    }
