"""Open transactions for tests."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import strategies as st

from lambda_handlers.database.transaction.token import DIGEST_BYTES, ENGINE, Kept, Transaction
from lambda_handlers.wire import Many
from lambda_handlers.wire.pin import Pin

values = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(max_size=50),
    st.binary(max_size=50),
)
texts = st.text(st.characters(), max_size=50)  # lone surrogates, too
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":@$"), max_size=9)
params = st.none() | st.lists(values, max_size=5).map(tuple) | st.dictionaries(texts, values, max_size=5)
many = st.lists(st.lists(values, max_size=3).map(tuple) | st.dictionaries(names, values), min_size=1, max_size=3)
bound = params | many.map(lambda rows: Many(tuple(rows)))
kept = st.builds(Kept, texts, bound, st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES), st.booleans())
transactions = st.builds(
    Transaction,
    id=st.from_regex("[0-9a-f]{16}", fullmatch=True),
    database=texts,
    base=st.integers(0, (1 << 64) - 1),
    pin=st.builds(Pin, st.binary(min_size=16, max_size=64), st.integers(-(1 << 45), 1 << 45)),
    attached=st.dictionaries(texts, st.integers(0, (1 << 64) - 1), max_size=3).map(
        lambda found: dict(sorted(found.items()))
    ),
    statements=st.lists(kept, max_size=8).map(tuple),
    writes=st.booleans(),
    expires_at=st.floats(0, 1e11),
    engine=texts,
    caller=texts,
)


def kept_insert(number: int) -> Kept:
    """An insert of three values, as an application sends one after the other. Its digest is unlike all others."""
    row = (number, f"user{number}@example.com", number * 1.25)
    digest = hashlib.sha256(b"%d" % number).digest()[:DIGEST_BYTES]
    return Kept("INSERT INTO users (id, mail, credit) VALUES (?, ?, ?)", row, digest, False)


def open_transaction(expires_at: float, *statements: Kept, **fields: Any) -> Transaction:
    """A transaction on `main`."""
    given: dict[str, Any] = {
        "id": "0123456789abcdef",
        "database": "main",
        "base": 7,
        "pin": Pin(bytes(range(32)), 1_800_000_000_000),
        "attached": {},
        "statements": statements,
        "writes": bool(statements),
        "expires_at": expires_at,
        "engine": ENGINE,
        "caller": "",
    }
    return Transaction(**{**given, **fields})
