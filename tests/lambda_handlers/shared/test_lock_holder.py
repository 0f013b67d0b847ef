from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.shared.lock_holder import (
    Holder,
    LockObject,
    decode_group,
    decode_object,
    encode_held,
    encode_released,
    encode_tags,
    group_name,
    lock_key,
    tag_text,
)
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.wire import DATABASE_NAME

DATABASES = st.one_of(st.text("ab-", min_size=1, max_size=4), st.text("ab-", min_size=60, max_size=63)).filter(
    lambda name: DATABASE_NAME.fullmatch(name) is not None
)
STACKS = st.one_of(
    st.text("ab-", min_size=1, max_size=4), st.text("aA.-/", min_size=1, max_size=4), st.text(min_size=1)
)


def body(**fields: object) -> bytes:
    return seal(fields, lock_key("main"))


def held(database: str, body: bytes) -> Holder | None:
    lock = decode_object(database, body)
    return lock.holder if lock else None


def test_a_taken_lock_names_its_holder() -> None:
    holder = held("main", body(owner="abc", created_at=100.5, doing="INSERT t", database="main"))
    assert holder == Holder("abc", "main", "abc", 100.5, "INSERT t")
    assert holder.age_seconds(110.5) == 10
    assert holder.age_seconds(90) == 0  # the holder's clock may be ahead of ours


def test_a_released_lock_is_free() -> None:
    assert held("main", body(owner=None, released="abc", released_at=5)) is None


def test_a_text_that_says_nothing_is_no_holder() -> None:
    assert held("main", b"\xff{") is None
    assert held("main", b"[]") is None


def test_a_lock_without_a_time_has_no_age() -> None:
    holder = held("main", body(owner="abc", created_at="yesterday"))
    assert holder is not None
    assert holder.age_seconds(100) is None


def test_a_time_that_is_none_is_no_age() -> None:
    for text in ("nan", "inf", "soon", None):
        holder = held("main", body(owner="abc", created_at=text))
        assert holder is not None
        assert holder.created_at is None


FIELDS = {"version": 2, "owner": "abc", "created_at": 100.5, "doing": "INSERT t", "database": "main"}


def test_a_sealed_lock_is_read_and_a_damaged_one_is_none() -> None:
    sealed = seal(FIELDS, lock_key("main"))
    holder = held("main", sealed)
    assert holder == Holder("abc", "main", "abc", 100.5, "INSERT t")
    assert held("other", sealed) is None
    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        assert held("main", bytes(damaged)) is None


def test_what_frees_it_is_sealed() -> None:
    freed = encode_released("abc", "main", 7.5)
    assert decode_object("main", freed) == LockObject(released="abc")
    assert unseal(freed, lock_key("main")) == {
        "version": 2,
        "owner": None,
        "released": "abc",
        "released_at": 7.5,
        "database": "main",
    }


def test_a_held_lock_is_read_as_it_was_written() -> None:
    holder = Holder("abc", "main", "abc", 100.5, "INSERT t")
    assert unseal(encode_held(holder), lock_key("main")) == FIELDS
    assert decode_object("main", encode_held(holder), "etag") == LockObject(replace(holder, etag="etag"))


@pytest.mark.parametrize("waited", [0.0, 0.125, 12.5])
def test_a_lock_says_how_long_its_holder_waited(waited: float) -> None:
    taken = decode_object("main", encode_held(Holder("abc", "main", "abc", 100.5, waited_seconds=waited)))
    freed = decode_object("main", encode_released("abc", "main", 7.5, waited))
    assert taken is not None
    assert taken.holder is not None
    assert freed is not None
    assert (taken.waited_seconds, taken.holder.waited_seconds, freed.waited_seconds) == (waited, waited, waited)


@pytest.mark.parametrize("waited", ["nan", "inf", "long", None, -3.0, []])
def test_a_wait_that_is_none_is_none(waited: object) -> None:
    lock = decode_object("main", body(owner="abc", created_at=1.0, waited=waited))
    assert lock is not None
    assert lock.waited_seconds == 0.0


class TestTheNameOfAGroup:
    @pytest.mark.parametrize(
        ("stack", "database", "want"),
        [
            ("test-db", "main", "sldb-lock-test-db-main"),
            ("test-db", "orders-2", "sldb-lock-test-db.orders-2"),
            ("a", "b-c", "sldb-lock-a.b-c"),
            ("a-b", "c", "sldb-lock-a-b-c"),
        ],
    )
    def test_has_a_name_that_says_whose_it_is(self, stack: str, database: str, want: str) -> None:
        assert group_name(stack, database) == want

    @given(STACKS, DATABASES, STACKS, DATABASES)
    @example("a", "b-c", "a-b", "c")
    @example("Test", "main", "test", "main")
    @example("a.b", "c", "a", "b-c")
    @example("a", "b-", "a-b", "c")
    @example("a/b", "c", "a", "b-c")
    def test_of_another_database_has_another_name(self, stack: str, database: str, other: str, another: str) -> None:
        names = {group_name(*pair).casefold() for pair in ((stack, database), (other, another))}
        assert len(names) == len({(stack, database), (other, another)})
        for name in names:
            assert re.fullmatch(r"[a-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}", name)
            assert not name.startswith("sg-")


class TestTheTags:
    @given(st.text(max_size=600))
    def test_tag_text_is_what_ec2_accepts(self, text: str) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_ +\-=.:/@]{0,256}", tag_text(text))

    def test_tag_text_keeps_what_it_can(self) -> None:
        assert tag_text('INSERT INTO "users" (a, b)') == "INSERT INTO users a b"

    def test_that_are_missing_leave_a_holder_without_an_age(self) -> None:
        holder = decode_group("sg-1", "sldb-lock-x", {})
        assert (holder.created_at, holder.age_seconds(1.0), holder.is_expired(1e12, 1.0)) == (None, None, False)
        assert holder.encode(1.0)["age_seconds"] is None
        assert replace(holder, created_at=5.0).age_seconds(4.0) == 0.0

    @pytest.mark.parametrize(
        ("tags", "name", "want"),
        [
            ({"sldb:stack": "a-b", "sldb:database": "main"}, "sldb-lock-of-old", "main"),
            ({"sldb:stack": "a-b"}, "sldb-lock-a-b-main", "main"),
            ({"sldb:stack": "a-b"}, "sldb-lock-a-b.c-d", "c-d"),
            ({"sldb:stack": "a-b"}, "sldb-lock-a-c", ""),
            ({}, "sldb-lock-a-c", ""),
        ],
    )
    def test_or_the_name_say_the_database(self, tags: dict[str, str], name: str, want: str) -> None:
        assert decode_group("sg-1", name, tags).database == want

    @given(st.text("ab-", min_size=1), DATABASES, st.floats(0, 1e10), st.text())
    def test_are_read_as_they_were_written(self, stack: str, database: str, created_at: float, doing: str) -> None:
        tags = encode_tags(stack, database, "abc", created_at, tag_text(doing))
        holder = decode_group("sg-1", group_name(stack, database), tags)
        assert holder == Holder("sg-1", database, "abc", round(created_at, 3), tag_text(doing))
