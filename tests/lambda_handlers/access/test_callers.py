"""The access document."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access.callers import MAX_BYTES, MAX_CALLERS, MAX_DATABASES, BadDocument, Document, Entry
from lambda_handlers.caller import Caller

ADA = "token:" + "a" * 26
ENTRY = Entry("ada", frozenset({"main"}), True, 1_800_000_000_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([ADA, "name", "scope", "x"]) | st.text(), inner),
    max_leaves=10,
)
times = st.integers(0, 253_402_300_799_999)
entries = st.builds(
    Entry,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", fullmatch=True),
    st.none() | st.frozensets(st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True), max_size=3),
    st.booleans(),
    times,
    st.none() | times,
    st.none() | times,
)
key_id_texts = st.from_regex(r"[0-9a-f]{8}", fullmatch=True)
identities = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26).map(lambda text: f"token:{text}")


def document(**fields: Any) -> bytes:
    return json.dumps({"version": 1, "key_ids": [], "callers": {}, **fields}).encode()


@pytest.mark.long
@given(st.dictionaries(identities, entries, max_size=3), st.lists(key_id_texts, max_size=3))
def test_what_is_encoded_is_decoded(callers: dict[str, Entry], key_ids: list[str]) -> None:
    built = Document(tuple(key_ids))
    for identity, entry in callers.items():
        built = built.with_entry(identity, entry)
    decoded = Document.decode(built.encode())
    assert decoded == built
    assert dict(decoded.entries()) == callers
    assert {identity: decoded.find(identity) for identity in callers} == callers


@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_but_its_own_error(data: bytes) -> None:
    with suppress(BadDocument):
        Document.decode(data)


@given(st.sampled_from(["version", "key_ids", "callers", "more"]), JSON)
def test_no_field_raises_anything_but_its_own_error(name: str, value: object) -> None:
    with suppress(BadDocument):
        list(Document.decode(document(**{name: value})).entries())


@given(JSON, st.sampled_from(["name", "databases", "scope", "created", "expires", "revoked", "more"]))
def test_no_entry_raises_anything_but_its_own_error(value: object, name: str) -> None:
    for entry in (value, {**ENTRY.encode(), name: value}):
        decoded = Document.decode(document(callers={ADA: entry}))
        with suppress(BadDocument):
            assert decoded.find(ADA) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"version": 2}',
        b'{"version": true}',
        b'{"version": 1, "version": 1}',
        b"[" * 100_000,
        b"1" * 5000,
        "{}".encode("utf-16"),
        b" " * (MAX_BYTES + 1),
        document(key_ids=None),
        document(key_ids=["xyz"]),
        document(key_ids=["00000000"] * 17),
        document(callers=[]),
        document(callers={str(number): None for number in range(MAX_CALLERS + 1)}),
        document(deny=["ada"]),
        document().replace(b'"callers": {}', f'"callers": {{"{ADA}": null, "{ADA}": null}}'.encode()),
    ],
)
def test_what_is_not_understood_completely_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        Document.decode(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("name", "a b"),
        ("name", "-ada"),
        ("name", None),
        ("databases", "main"),
        ("databases", "**"),
        ("databases", None),
        ("databases", ["*"]),
        ("databases", ["main", "../secrets"]),
        ("databases", ["_access"]),
        ("databases", ["Main"]),
        ("databases", ["main orders"]),
        ("databases", [["main"]]),
        ("databases", [f"d{number}" for number in range(MAX_DATABASES + 1)]),
        ("scope", "WRITE"),
        ("scope", ["write"]),
        ("scope", None),
        ("created", None),
        ("expires", "soon"),
        ("expires", 1),
        ("expires", "2026-02-30"),
        ("revoked", False),
        ("revoked", ""),
        ("from_address", "10.0.0.1"),
    ],
)
def test_a_damaged_entry_is_an_error_and_no_other_caller_s(name: str, value: object) -> None:
    good = "token:" + "b" * 26
    decoded = Document.decode(document(callers={ADA: {**ENTRY.encode(), name: value}, good: ENTRY.encode()}))
    with pytest.raises(BadDocument, match=ADA):
        decoded.find(ADA)
    assert decoded.find(good) == ENTRY


def test_an_entry_with_a_field_less_is_an_error() -> None:
    for name in ENTRY.encode():
        entry = {known: value for known, value in ENTRY.encode().items() if known != name}
        with pytest.raises(BadDocument):
            Entry.decode(entry)


def test_an_entry_is_refused_from_its_time_on() -> None:
    entry = Entry.decode({**ENTRY.encode(), "expires": "2027-01-15T08:00:00Z"})
    assert entry.expires_ms == 1_800_000_000_000
    assert [entry.refusal(entry.expires_ms + later) for later in (-1, 0, 1)] == ["", "expired", "expired"]


def test_a_revoked_entry_is_refused_at_any_time() -> None:
    entry = Entry.decode({**ENTRY.encode(), "revoked": "2099-01-01T00:00:00Z", "expires": "1999-01-01"})
    assert {entry.refusal(now_ms) for now_ms in (0, 1_800_000_000_000, 1 << 50)} == {"revoked"}


def test_an_entry_gives_the_rights_that_it_says() -> None:
    assert ENTRY.caller == Caller("ada", frozenset({"main"}), may_write=True)
    assert Entry("ada", None, False, 0).caller == Caller("ada", None, may_write=False)


def test_entries_that_are_not_understood_are_kept() -> None:
    """A command that changes one entry writes the whole document."""
    strange = {"name": "eve", "more": [1]}
    kept = Document.decode(document(callers={"token:x": strange})).with_entry(ADA, ENTRY).without("token:y")
    assert json.loads(kept.encode())["callers"] == {"token:x": strange, ADA: ENTRY.encode()}
    assert kept.without(ADA).with_key_ids(("0a0b0c0d",)) == Document(("0a0b0c0d",), {"token:x": strange})


def test_what_no_reader_accepts_is_not_written() -> None:
    with pytest.raises(ValueError, match="no identity"):
        Document().with_entry("ada", ENTRY)
    with pytest.raises(ValueError, match="key_ids"):
        Document().with_key_ids(("x",))
    with pytest.raises(ValueError, match="bytes"):
        Document((), {"x": "x" * MAX_BYTES}).encode()
    with pytest.raises(ValueError, match="no name of a database"):
        Entry("ada", frozenset({"_access"}), False, 0)


def test_a_document_looks_like_this() -> None:
    assert json.loads(Document(("0a0b0c0d",)).with_entry(ADA, ENTRY).encode()) == {
        "version": 1,
        "key_ids": ["0a0b0c0d"],
        "callers": {
            ADA: {
                "name": "ada",
                "databases": ["main"],
                "scope": "write",
                "created": "2027-01-15T08:00:00.000Z",
                "expires": None,
                "revoked": None,
            }
        },
    }
