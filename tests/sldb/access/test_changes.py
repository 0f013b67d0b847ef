"""Changes of the access document."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access.callers import MAX_CALLERS, Document
from lambda_handlers.access.identities import token_identity
from lambda_handlers.access.tokens import new_id
from lambda_handlers.wire import SldbError
from sldb.access import changes
from sldb.access.entries import Entry, new_entry

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
A, B = "aaaaaaaa", "bbbbbbbb"


def identity(number: int) -> str:
    return token_identity(new_id(number.to_bytes(16, "big")))


def entry(name: str = "ci", expires_ms: int | None = None, created_ms: int = NOW_MS) -> Entry:
    return new_entry(name, ["main"], created_ms, may_write=True, expires_ms=expires_ms)


def code(error: pytest.ExceptionInfo[SldbError]) -> str:
    return error.value.code


def test_a_name_is_taken_until_it_is_revoked() -> None:
    document = changes.add(Document(), identity(1), entry())
    with pytest.raises(SldbError, match="ci already") as caught:
        changes.add(document, identity(2), entry())
    assert (code(caught), caught.value.details["applied"]) == ("exists", "no")
    assert "sldb token revoke ci" in caught.value.hint
    document = changes.add(changes.revoke(document, identity(1), NOW_MS), identity(2), entry())
    assert [one.name for _, one in document.entries()] == ["ci", "ci"]


def test_the_end_of_an_earlier_caller_of_a_name() -> None:
    document = changes.add(Document(), identity(1), entry())
    assert changes.name_ended_ms(document, "ci") is None
    document = changes.revoke(document, identity(1), NOW_MS + 5)
    document = changes.add(document, identity(2), entry(created_ms=NOW_MS + 6))
    assert changes.name_ended_ms(document, "ci") == NOW_MS + 5
    document = changes.revoke(document, identity(2), NOW_MS + 7)
    assert changes.name_ended_ms(document, "ci") == NOW_MS + 7
    assert changes.name_ended_ms(document, "other") is None


def test_a_name_whose_time_has_ended_is_taken_too() -> None:
    document = changes.add(Document(), identity(1), entry(expires_ms=NOW_MS - 1, created_ms=NOW_MS - 2))
    with pytest.raises(SldbError, match="expired"):
        changes.add(document, identity(2), entry())


def test_a_principal_can_be_added_once_and_again_after_its_revocation() -> None:
    arn = "iam:arn:aws:iam::123456789012:role/bi"
    document = changes.add(Document(), arn, entry())
    with pytest.raises(SldbError, match="there already"):
        changes.add(document, arn, entry("other"))
    document = changes.add(changes.revoke(document, arn, NOW_MS), arn, entry("other"))
    assert [(one.name, one.revoked_ms) for _, one in document.entries()] == [("other", None)]


def test_what_cannot_be_an_identity() -> None:
    with pytest.raises(SldbError) as caught:
        changes.add(Document(), "token:x", entry())
    assert code(caught) == "bad_request"


def test_a_damaged_entry_is_in_nobodys_way_and_revoked_by_its_removal() -> None:
    document = Document((), {identity(1): {"name": "ci"}})
    added = changes.add(document, identity(2), entry())
    assert identity(1) in added.callers
    assert list(changes.revoke(added, identity(1), NOW_MS).callers) == [identity(2)]


def test_the_first_key_is_accepted_and_then_no_other() -> None:
    document = changes.sign_with(Document(), A)
    assert document.key_ids == (A,)
    assert changes.sign_with(document, A) is document
    with pytest.raises(SldbError) as caught:
        changes.sign_with(document, B)
    assert code(caught) == "conflict"


def test_all_tokens_are_revoked_and_nothing_else() -> None:
    document = Document()
    for number, name in enumerate("abc"):
        document = changes.add(document, identity(number), entry(name))
    document = changes.add(document, "key:k1", entry("k"))
    document = changes.revoke(document, identity(0), NOW_MS - 5)
    revoked = {name: one.revoked_ms for name, one in changes.revoke_tokens(document, NOW_MS).entries()}
    assert revoked == {identity(0): NOW_MS - 5, identity(1): NOW_MS, identity(2): NOW_MS, "key:k1": None}


def test_what_ended_long_ago_goes_out() -> None:
    long_ago_ms = NOW_MS - changes.PRUNED_AFTER_MS
    document = Document(
        (A,),
        {
            identity(1): replace(entry("a"), revoked_ms=long_ago_ms).encode(),
            identity(2): replace(entry("b"), revoked_ms=long_ago_ms + 1).encode(),
            identity(3): entry("c", expires_ms=long_ago_ms).encode(),
            identity(4): entry("d").encode(),
            "key:k1": entry("e", expires_ms=long_ago_ms).encode(),
            "key:k2": {"damaged": True},
        },
    )
    pruned = changes.prune(document, NOW_MS)
    assert list(pruned.callers) == [identity(2), identity(4), "key:k1", "key:k2"]
    assert pruned.key_ids == (A,)
    assert changes.prune(pruned, NOW_MS) is pruned


def test_a_full_document_gives_up_its_oldest_dead() -> None:
    live = {identity(number): entry(f"n{number}").encode() for number in range(MAX_CALLERS - 2)}
    dead = {
        identity(MAX_CALLERS + number): replace(entry("d"), revoked_ms=NOW_MS - number).encode() for number in range(2)
    }
    document = changes.add(Document((), {**live, **dead}), identity(9_999), entry("new"))
    assert len(document.callers) == MAX_CALLERS
    assert identity(MAX_CALLERS) in document.callers
    document = changes.add(document, identity(9_998), entry("newer"))
    with pytest.raises(SldbError) as caught:
        changes.add(document, identity(9_997), entry("newest"))
    assert code(caught) == "bad_request"
    assert "revoke" in caught.value.hint


@given(st.lists(st.tuples(st.sampled_from(["add", "revoke"]), st.integers(0, 4), st.integers(0, 2)), max_size=20))
def test_no_two_live_callers_have_one_name_and_no_change_revives_one(steps: list[tuple[str, int, int]]) -> None:
    document, revoked = Document(), set[str]()
    for step, (kind, number, name) in enumerate(steps):
        if kind == "revoke":
            document = changes.revoke(document, identity(number), NOW_MS + step)
            revoked |= {identity(number)} & set(document.callers)
        elif identity(number) not in revoked:  # an id is never used twice
            document = added(document, identity(number), entry(f"n{name}", created_ms=NOW_MS + step))
        live = [one.name for _, one in document.entries() if one.revoked_ms is None]
        assert len(live) == len(set(live))
        assert all(one.revoked_ms is not None for known, one in document.entries() if known in revoked)


def added(document: Document, identity: str, entry: Entry) -> Document:
    """Return the document with the entry, read again from its text; without it if the name is taken."""
    try:
        once = changes.add(document, identity, entry)
    except SldbError:
        return document
    assert changes.add(once, identity, entry) == once
    return Document.decode(once.encode())
