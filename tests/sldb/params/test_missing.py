from __future__ import annotations

import pytest

from lambda_handlers.sql.parameters import mismatch
from lambda_handlers.wire import Params, SldbError
from sldb.params.missing import query_hint, shell_hint


@pytest.mark.parametrize(
    ("names", "params", "query", "shell"),
    [
        (["a"], None, "-p a=…", ".param set :a …"),
        (["a", "b", "c"], {"b": 1}, "-p a=… -p c=…", ".param set :a …, .param set :c …"),
        (["1"], {}, "-p VALUE for each ?, in their order", ".param set ?1 …"),
        ([None, None], (1,), "-p VALUE for each ?, in their order", ".param set ?1 … for the first ?, up to ?2"),
        ([None], {"a": 1}, "-p VALUE for each ?, in their order", ".param set ?1 … for the first ?, up to ?1"),
        ([None], (1, 2), None, None),
    ],
)
def test_hints(names: list[str | None], params: Params, query: str | None, shell: str | None) -> None:
    error = mismatch(names, params)
    assert error is not None
    assert (query_hint(error), shell_hint(error)) == (query, shell)


def test_other_errors_have_none() -> None:
    assert query_hint(SldbError("sql_error", "x")) is None
    assert shell_hint(SldbError("sql_error", "x")) is None
