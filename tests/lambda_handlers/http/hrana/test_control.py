"""Which statements change the state of a stream."""

from __future__ import annotations

import pytest

from lambda_handlers.http.hrana.control import Control, closes_its_groups, control_of


@pytest.mark.parametrize(
    ("sql", "control"),
    [
        ("BEGIN", Control("BEGIN")),
        (" begin /* now */ immediate; -- go", Control("BEGIN")),
        ("BEGIN TRANSACTION READONLY", Control("BEGIN", only_reads=True)),
        ("BEGIN READONLY", Control("BEGIN", only_reads=True)),
        ("begin readonly transaction", Control("BEGIN", only_reads=True)),
        ("BEGIN CONCURRENT", Control("BEGIN")),
        ("BEGIN DEFERRED TRANSACTION", Control("BEGIN")),
        ("BEGIN NONSENSE", None),
        ("EXPLAIN BEGIN", None),
        ("COMMIT", Control("COMMIT")),
        ("END TRANSACTION", Control("COMMIT")),
        ("COMMIT TO", None),
        ("ROLLBACK", Control("ROLLBACK")),
        ("ROLLBACK TRANSACTION", Control("ROLLBACK")),
        ("ROLLBACK TO a", Control("ROLLBACK TO", "a")),
        ('ROLLBACK TRANSACTION TO SAVEPOINT "A"', Control("ROLLBACK TO", "a")),
        ("SAVEPOINT A", Control("SAVEPOINT", "a")),
        ("RELEASE [a b]", Control("RELEASE", "a b")),
        ("RELEASE SAVEPOINT a", Control("RELEASE", "a")),
        ("VACUUM", Control("VACUUM")),
        ("PRAGMA foreign_keys = ON", Control("SETTING", key="pragma foreign_keys")),
        ("pragma Foreign_Keys(0)", Control("SETTING", key="pragma foreign_keys")),
        ("PRAGMA foreign_keys", None),
        ("PRAGMA user_version = 3", None),
        ("ATTACH 'other' AS o", Control("SETTING", key="attach o")),
        ("ATTACH DATABASE 'other@41' AS 'O'", Control("SETTING", key="attach o")),
        ("DETACH o", Control("SETTING", key="attach o", ends_setting=True)),
        ("SELECT 'BEGIN'", None),
        ("", None),
    ],
)
def test_what_a_statement_does(sql, control):
    assert control_of(sql) == control


@pytest.mark.parametrize(
    ("script", "closes"),
    [
        (["BEGIN", "SELECT 1", "COMMIT"], True),
        (["BEGIN", "COMMIT", "ROLLBACK"], True),
        (["SELECT 1", "BEGIN", "SAVEPOINT a", "END", "SELECT 1"], True),
        (["SELECT 1"], False),
        (["BEGIN", "SELECT 1"], False),
        (["BEGIN", "COMMIT", "BEGIN"], False),
        (["SAVEPOINT a", "BEGIN", "COMMIT"], False),
        (["BEGIN", "COMMIT", "VACUUM"], False),
    ],
)
def test_statements_that_seem_to_end_what_they_begin(script, closes):
    assert closes_its_groups([control_of(sql) for sql in script]) == closes
