"""The map from errors to exceptions."""

from __future__ import annotations

import pytest

import sldb
from lambda_handlers.wire import ERROR_CODES, SldbError
from sldb.dbapi.errors import exception_of


def test_each_code_has_an_exception() -> None:
    for code in ERROR_CODES:
        made = exception_of(SldbError(code, "it failed", "do this", key="x"))
        assert isinstance(made, sldb.DatabaseError)
        assert (made.code, made.hint, made.details, str(made)) == (code, "do this", {"key": "x"}, "it failed (do this)")


@pytest.mark.parametrize(
    ("code", "details", "kind", "is_retryable"),
    [
        ("constraint", {"sqlite_code": "SQLITE_CONSTRAINT_CHECK"}, sldb.IntegrityError, False),
        ("sql_error", {"sqlite_code": "SQLITE_MISMATCH"}, sldb.IntegrityError, False),
        ("sql_error", {"sqlite_code": "SQLITE_TOOBIG"}, sldb.DataError, False),
        ("sql_error", {"sqlite_code": "SQLITE_ERROR"}, sldb.OperationalError, False),
        ("bad_request", {}, sldb.ProgrammingError, False),
        ("conflict", {"applied": "no"}, sldb.OperationalError, True),
        ("lock_timeout", {}, sldb.OperationalError, True),
        ("store_error", {"applied": "no"}, sldb.OperationalError, True),
        ("store_error", {"applied": "unknown"}, sldb.OperationalError, False),
        ("store_error", {}, sldb.OperationalError, False),
        ("too_large", {}, sldb.DataError, False),
        ("unsupported", {}, sldb.NotSupportedError, False),
        ("internal", {}, sldb.InternalError, False),
        ("corrupt", {}, sldb.DatabaseError, False),
    ],
)
def test_kinds(code: str, details: dict[str, str], kind: type[sldb.Error], is_retryable: bool) -> None:
    made = exception_of(SldbError(code, "it failed", **details))
    assert (type(made), made.retryable, made.applied) == (kind, is_retryable, details.get("applied"))


def test_the_names_and_numbers_of_sqlite(connection: sldb.Connection) -> None:
    connection.execute("INSERT INTO t (id, name) VALUES (1, 'a')")
    with pytest.raises(sldb.IntegrityError) as caught:
        connection.execute("INSERT INTO t (id) VALUES (1)")
    assert (caught.value.sqlite_errorname, caught.value.sqlite_errorcode) == ("SQLITE_CONSTRAINT_PRIMARYKEY", 1555)
    assert sldb.ProgrammingError("mine").sqlite_errorcode is None


def test_the_tree() -> None:
    assert issubclass(sldb.Warning, Exception)
    assert not issubclass(sldb.Warning, sldb.Error)
    for name in ("Data", "Operational", "Integrity", "Internal", "Programming", "NotSupported"):
        assert issubclass(getattr(sldb, f"{name}Error"), sldb.DatabaseError)
    assert issubclass(sldb.InterfaceError, sldb.Error)
    assert not issubclass(sldb.InterfaceError, sldb.DatabaseError)
