"""Many rows of values in a request."""

from __future__ import annotations

import json
import math

import pytest

from lambda_handlers.wire import Many, Request, SldbError, Statement

ROWS = ((1, "é", None, b"\x00\xff"), (math.inf, -0.5, 1 << 62, ""), {"a": b"", "b": -math.inf}, ())


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[:2], ROWS[2:]])
@pytest.mark.parametrize("count", [1, 2])
def test_they_come_back_exactly(rows, count):
    request = Request((Statement("INSERT", Many(rows)),) * count)
    assert Request.decode(json.loads(json.dumps(request.encode()))) == request


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"query": "", "many": []}, "many"),
        ({"query": "", "many": {}}, "many"),
        ({"query": "", "many": [1]}, "many[0]"),
        ({"query": "", "many": [[1], ["\ud800"]]}, "many[1][0]"),
        ({"query": "", "many": [[], {"a": [1]}]}, "many[1].a"),
        ({"query": "", "many": [[1]], "params": [1]}, "params"),
        ({"statements": [{"query": "", "many": [3]}]}, "statements[0].many[0]"),
        ({"statements": [{"query": ""}], "many": [[1]]}, "many"),
        ({"transaction": {"begin": True}, "many": [[1]]}, "many"),
    ],
)
def test_what_is_wrong_is_named(event, field):
    with pytest.raises(SldbError) as caught:
        Request.decode(event)
    assert (caught.value.code, caught.value.details["field"]) == ("bad_request", field)
