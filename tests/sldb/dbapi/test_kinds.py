"""The kinds of statements that the driver itself must know."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Statement
from sldb.dbapi.kinds import Kind, is_insert, kind_of, lasting_setting, only_statement


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("begin", Kind.BEGIN),
        ("-- so\n /* and so */ Begin Immediate Transaction", Kind.BEGIN),
        ("COMMIT", Kind.COMMIT),
        ("end transaction", Kind.COMMIT),
        ("ROLLBACK", Kind.ROLLBACK),
        ("rollback transaction", Kind.ROLLBACK),
        ("ROLLBACK TO a", Kind.ROLLBACK_TO),
        ("ROLLBACK TRANSACTION TO SAVEPOINT a", Kind.ROLLBACK_TO),
        ("SAVEPOINT a", Kind.SAVEPOINT),
        ("release a", Kind.RELEASE),
        ("vacuum", Kind.VACUUM),
        ("replace into t values (1)", Kind.CHANGE),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Kind.CHANGE),
        ("WITH a AS (SELECT 'DELETE') SELECT * FROM a", Kind.OTHER),
        ("SELECT replace('a', 'b', 'c')", Kind.OTHER),
        ("EXPLAIN DELETE FROM t", Kind.OTHER),
        ("CREATE TABLE t (a)", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_kinds(sql: str, kind: Kind) -> None:
    assert kind_of(sql) is kind


def test_inserts() -> None:
    assert is_insert("insert into t values (1)")
    assert is_insert("WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a")
    assert not is_insert("UPDATE t SET a = 'INSERT'")


def test_the_only_statement() -> None:
    assert only_statement(" SELECT ';' ; -- one\n") == "SELECT ';' ;"
    assert only_statement(" /* nothing */ ") == ""


@pytest.mark.parametrize(
    ("sql", "setting"),
    [
        ("PRAGMA foreign_keys = ON", ("FOREIGN_KEYS", Statement("PRAGMA foreign_keys = ON"))),
        ("pragma main.foreign_keys(0)", ("FOREIGN_KEYS", Statement("pragma main.foreign_keys(0)"))),
        ("PRAGMA foreign_keys", None),
        ("PRAGMA foreign_key_check(t)", None),
        ("PRAGMA user_version = 3", None),
        ("ATTACH 'o' AS \"My o\"", ("attach my o", Statement("ATTACH 'o' AS \"My o\""))),
        ("ATTACH DATABASE 'o@17' AS o", ("attach o", Statement("ATTACH DATABASE 'o@17' AS o"))),
        ("DETACH DATABASE o", ("attach o", None)),
        ("SELECT 1", None),
    ],
)
def test_settings_that_last(sql: str, setting: object) -> None:
    assert lasting_setting(sql) == setting
