"""The callers in a list, and whom a name or an id means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambda_handlers.access.callers import Document
from lambda_handlers.access.identities import token_identity
from lambda_handlers.access.tokens import new_id
from lambda_handlers.wire import SldbError
from sldb.access.entries import databases_text, new_entry, rights, scope_text
from sldb.access.listing import find, listed

ID = new_id(bytes(16))
OTHER_ID = new_id(bytes(15) + b"1")


def document(**names: str) -> Document:
    """Return a document with an entry for each identity, by its name; those that begin with `old` are revoked."""
    callers = {}
    for count, (name, identity) in enumerate(names.items()):
        entry = new_entry(name.removeprefix("old_"), ["main"], count, may_write=False)
        callers[identity] = (replace(entry, revoked_ms=count) if name.startswith("old_") else entry).encode()
    return Document((), callers)


def test_states_kinds_and_order() -> None:
    found = document(b="key:k1", old_a=token_identity(ID), c="iam:arn:aws:iam::123456789012:role/r", d="jwt:auth0|1")
    found = Document((), {"token:broken": {}, **found.callers})
    shown = [(one.name, one.kind, one.id, one.state(10)) for one in listed(found)]
    assert shown == [
        ("b", "key", "k1", "active"),
        ("a", "token", ID, "revoked"),
        ("c", "principal", "arn:aws:iam::123456789012:role/r", "active"),
        ("d", "subject", "auth0|1", "active"),
        ("broken", "token", "broken", "damaged"),
    ]


def test_a_name_means_the_one_that_is_not_revoked() -> None:
    found = document(old_ci=token_identity(ID), ci=token_identity(OTHER_ID))
    assert find(found, "ci").id == OTHER_ID
    assert find(found, ID).id == ID
    assert find(found, token_identity(ID)).id == ID
    assert find(document(old_ci=token_identity(ID)), "ci").id == ID


def test_a_damaged_one_is_found_by_its_id() -> None:
    assert find(Document((), {"key:k1": 0}), "k1").entry is None


def test_one_that_is_not_there() -> None:
    with pytest.raises(SldbError, match="no caller staging") as caught:
        find(document(stagin="key:k1"), "staging")
    assert caught.value.code == "not_found"
    assert "did you mean stagin?" in caught.value.hint


def test_a_name_that_is_the_id_of_another() -> None:
    with pytest.raises(SldbError, match="means key:k2 and key:k1"):
        find(document(a="key:k1", k1="key:k2"), "k1")


def test_entries_in_words() -> None:
    one = new_entry("a", ["b", "a"], 0, may_write=True)
    assert (databases_text(one), scope_text(one), rights(one)) == (
        "a b",
        "write",
        "read and write the databases a, b",
    )
    everything = new_entry("a", None, 0, may_write=False)
    assert (databases_text(everything), rights(everything)) == ("*", "read all databases")
    for name, databases in (("-a", ["main"]), ("a b", ["main"]), ("a", ["Main"]), ("a", ["_keys"])):
        with pytest.raises(SldbError) as caught:
            new_entry(name, databases, 0, may_write=False)
        assert caught.value.code == "bad_request"
