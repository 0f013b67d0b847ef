from __future__ import annotations

import io
import json

import pytest

from lambda_handlers.log import Log, format_time, trace


def test_one_line_of_json_an_event() -> None:
    stream = io.StringIO()
    log = Log("info", stream, now=lambda: 1_800_000_000.1239)
    log.info("request", database="main", text="é\n", rows=3, path=object)
    log.error("broken")
    first, second = stream.getvalue().splitlines()
    assert json.loads(first) == {
        "time": "2027-01-15T08:00:00.123Z",
        "level": "info",
        "event": "request",
        "database": "main",
        "text": "é\n",
        "rows": 3,
        "path": "<class 'object'>",
    }
    assert json.loads(second)["level"] == "error"


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level(level: str, lines: int) -> None:
    stream = io.StringIO()
    log = Log(level, stream)
    for write in (log.debug, log.info, log.warning, log.error):
        write("event")
    assert len(stream.getvalue().splitlines()) == lines


def test_standard_error_is_the_one_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    Log().info("event")
    assert json.loads(capsys.readouterr().err)["event"] == "event"


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "1970-01-01T00:00:00.000Z"), (1.9999, "1970-01-01T00:00:01.999Z")])
def test_format_time(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


def test_the_trace_of_a_chain_without_an_end_ends() -> None:
    first, second = ValueError("1"), TypeError("2")
    first.__cause__, second.__cause__ = second, first
    assert trace(first) == "TypeError\nValueError"
