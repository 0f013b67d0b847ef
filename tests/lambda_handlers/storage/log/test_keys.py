from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.shared.lock_holder import lock_key
from lambda_handlers.storage.log.keys import LtxName, database_prefix, parse_ltx_key, transaction
from lambda_handlers.wire import DATABASE_NAME

databases = st.from_regex(DATABASE_NAME, fullmatch=True)
txids = st.integers(1, (1 << 64) - 1)


def test_the_first_transaction() -> None:
    assert transaction(1).key("main") == "main/0000/0000000000000001-0000000000000001.ltx"


def test_a_snapshot() -> None:
    assert LtxName(9, 1, 0xABCDEF).key("my-db") == "my-db/0009/0000000000000001-0000000000abcdef.ltx"


def test_names_sort_like_their_keys() -> None:
    names = [LtxName(level, low, high) for level in (0, 1, 9) for low in (1, 15, 16, 255) for high in (255, 1 << 40)]

    assert sorted(names) == sorted(names, key=lambda name: name.key("main"))


@given(databases, st.integers(0, 9), txids, txids)
def test_a_key_says_all_of_its_name(database: str, level: int, one: int, other: int) -> None:
    name = LtxName(level, min(one, other), max(one, other))

    assert parse_ltx_key(database, name.key(database)) == name
    assert name.key(database).startswith(database_prefix(database))


@given(databases, databases, txids)
def test_the_keys_of_another_database_are_not_ours(mine: str, other: str, txid: int) -> None:
    assert (parse_ltx_key(mine, transaction(txid).key(other)) is None) == (mine != other)


@pytest.mark.parametrize(
    "key",
    [
        "main/lock.json",
        "main/",
        "main/head",
        "main/0000/",
        "main/0000/0000000000000001-0000000000000001.ltx.tmp",
        "main/0000/0000000000000001-0000000000000001.ltx\n",
        "main/0000/0000000000000001-0000000000000001.LTX",
        "main/0000/000000000000000A-000000000000000A.ltx",  # upper case
        "main/0000/1-1.ltx",
        "main/0000/0000000000000001.ltx",
        "main/0/0000000000000001-0000000000000001.ltx",
        "main/ltx/0/0000000000000001-0000000000000001.ltx",  # Litestream's layout on a local disk
        "main/000a/0000000000000001-0000000000000001.ltx",  # no such level
        "main/0000/0000000000000000-0000000000000001.ltx",  # the first transaction is 1
        "main/0000/0000000000000002-0000000000000001.ltx",  # backwards
        "main/old/0000/0000000000000001-0000000000000001.ltx",
        "/main/0000/0000000000000001-0000000000000001.ltx",
        "main-2/0000/0000000000000001-0000000000000001.ltx",
        "0000/0000000000000001-0000000000000001.ltx",
        "main/0000/\u0660000000000000001-0000000000000001.ltx",  # a digit, but not one of ours
        "",
    ],
)
def test_foreign_keys_are_ignored(key: str) -> None:
    assert parse_ltx_key("main", key) is None


@given(st.text(alphabet="main/0129af-.ltx", max_size=60))
def test_what_parses_is_what_would_be_built(key: str) -> None:
    name = parse_ltx_key("main", key)

    assert name is None or name.key("main") == key


def test_the_lock_is_no_transaction() -> None:
    assert lock_key("main") == "_locks/main/lock.json"
    assert parse_ltx_key("main", lock_key("main")) is None
