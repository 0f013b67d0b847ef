from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.sql.parameters import mismatch

PARAMETERS = st.lists(st.sampled_from(["?", "?1", "?3", ":a", "@b", "$c", ":a", ":é"]), max_size=4)
VALUES = st.one_of(
    st.none(),
    st.lists(st.integers(0, 9), max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", "c", "é", "1", "3", "x"]), st.integers(0, 9)),
)


@given(PARAMETERS, VALUES)
def test_what_sqlite_refuses_has_a_reason_and_nothing_else(parameters: list[str], values: object) -> None:
    cursor = apsw.Connection(":memory:").cursor()
    try:
        cursor.execute(f"SELECT 1 WHERE 1 IN ({', '.join(parameters)})", values)  # type: ignore[arg-type]
        is_refused = False
    except (apsw.BindingsError, KeyError):
        is_refused = True
    error = mismatch(cursor.bindings_names if is_refused else _names(parameters), values)  # type: ignore[arg-type]
    assert (error is not None) is is_refused
    if error is not None:
        assert error.code == "bad_request"
        assert "Binding" not in error.message


def _names(parameters: list[str]) -> tuple[str | None, ...]:
    connection = apsw.Connection(":memory:")
    cursor = connection.cursor()
    names: list[tuple[str | None, ...]] = []
    cursor.exec_trace = lambda cursor, _sql, _bindings: bool(names.append(cursor.bindings_names)) or True  # type: ignore[attr-defined]
    cursor.execute(f"SELECT 1 WHERE 1 IN ({', '.join(parameters)})", (0,) * _count(parameters))
    return names[0]


def _count(parameters: list[str]) -> int:
    cursor = apsw.Connection(":memory:").cursor()
    try:
        cursor.execute(f"SELECT 1 WHERE 1 IN ({', '.join(parameters)})", (0,) * 99)
    except apsw.BindingsError:
        return cursor.bindings_count
    raise AssertionError


@pytest.mark.parametrize(
    ("names", "params", "message", "details"),
    [
        (("a",), None, "the statement needs :a", {"parameters": [":a"]}),
        (("a", "b"), {"c": 1}, "the statement needs :a and :b, and got :c", {"parameters": [":a", ":b"]}),
        (("1",), {}, "the statement needs ?1", {"parameters": ["?1"]}),
        ((None, None), (1,), "the statement needs 2 parameters, and got 1", {"parameter_count": 2, "value_count": 1}),
        (("a",), (1, 2), "the statement needs 1 parameter (:a), and got 2", {"parameter_count": 1, "value_count": 2}),
    ],
)
def test_messages(names: tuple[str | None, ...], params: object, message: str, details: dict[str, object]) -> None:
    error = mismatch(names, params)  # type: ignore[arg-type]
    assert error is not None
    assert (error.message, error.details) == (message, details)
