"""The figures of statements in the log of a container, and what is not there."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.insights import kept
from lambda_handlers.insights.watch import MAX_SHAPES
from lambda_handlers.service import Service
from lambda_handlers.settings import BadSetting, Settings, insights_of
from lambda_handlers.wire import Request, SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.insights.test_shape import SECRET, planted

TABLE = (
    "CREATE TABLE t (a, b); WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50) "
    "INSERT INTO t SELECT i, i FROM n"
)


class Container:
    """A container of a function, and the lines of its log."""

    def __init__(self, *, insights: bool = True) -> None:
        self._lines = io.StringIO()
        settings: dict[str, Any] = {"insights": insights, "on_lambda": True, "log_level": "info"}
        self.service: Service = container(memory_store(), **settings)
        self.service._log._stream = self._lines

    def __call__(self, query: str, params: Any = None, **fields: Any) -> dict[str, Any]:
        """Return the line of a request."""
        self._lines.truncate(self._lines.seek(0))
        self.service.handle({"query": query, "params": params, **fields})
        line: dict[str, Any] = json.loads(self._lines.getvalue())
        return line

    @property
    def text(self) -> str:
        return self._lines.getvalue()


def over(directory: Path) -> Service:
    return Service(Settings(directory.as_uri(), lock="none", log_level="error", insights=True, temp_dir=gettempdir()))


def by_shape(line: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["shape"]: entry for entry in line.get("statements", ())}


def test_the_figures_of_each_shape() -> None:
    send = Container()
    made = by_shape(send(TABLE))
    assert made["CREATE TABLE t …"]["writes"] == 1
    assert next(entry for shape, entry in made.items() if shape.startswith("WITH"))["changes"] == 50
    line = send("SELECT * FROM t WHERE a > 48; SELECT b FROM t WHERE a = ?; SELECT * FROM t WHERE a > 7", None)
    assert line["status"] == 400  # no value for the parameter
    line = send("SELECT * FROM t WHERE a > 48; SELECT * FROM t WHERE a > 7; SELECT 1")
    seen = by_shape(line)
    scan = seen["SELECT * FROM t WHERE a > ?"]
    assert (scan["calls"], scan["rows"], scan["scan_steps"], "changes" in scan) == (2, 45, 98, False)
    assert scan["vm_steps"] > 100
    assert 0 < scan["max_ms"] <= scan["ms"] <= line["ms"]
    assert "scan_steps" not in seen["SELECT ?"]
    assert send("UPDATE t SET b = 'x' WHERE a < 3")["statements"][0]["changes"] == 2


def test_a_statement_that_fails_counts_and_one_that_sqlite_refuses_does_not() -> None:
    send = Container()
    send("CREATE TABLE u (a UNIQUE); INSERT INTO u VALUES (1)")
    line = send("INSERT INTO u VALUES (1)")
    assert (line["code"], line["statements"][0]["failed"]) == ("constraint", 1)
    assert "statements" not in send("SELECT nothing FROM nowhere")
    line = send("WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n", timeout=0.1)
    assert (line["code"], line["statements"][0]["failed"]) == ("query_timeout", 1)


def test_a_transaction_over_several_requests() -> None:
    send = Container()
    send(TABLE)
    began = run(send.service, "SELECT 1", transaction={"begin": True}).encode()["transaction"]
    line = send("UPDATE t SET b = 1", transaction={"token": began["token"]})
    assert by_shape(line)["UPDATE t SET b = ?"]["changes"] == 50


def test_no_more_shapes_than_a_line_has_room_for() -> None:
    line = Container()("; ".join(f"SELECT 1 AS c{number}" for number in range(MAX_SHAPES + 5)))
    assert (len(line["statements"]), line["statements_left_out"]) == (MAX_SHAPES, 5)


def test_without_the_setting_nothing_is_kept() -> None:
    line = Container(insights=False)("SELECT 1")
    assert line["status"] == 200
    assert "statements" not in line


def test_a_reply_has_nothing_of_it() -> None:
    assert "statements" not in json.dumps(run(Container().service, "SELECT 1").encode())


@given(planted(), st.booleans())
def test_no_line_has_a_planted_literal(sql: str, is_broken: bool) -> None:
    send = Container()
    send("CREATE TABLE t (a, b)")
    line = send(sql + " FROM WHERE" * is_broken, request_id="one")
    assert SECRET not in send.text, line


def test_over_a_directory_a_file_for_the_owner_alone_keeps_the_figures(tmp_path: Path) -> None:
    service = over(tmp_path)
    assert kept.read_lines(tmp_path) == []
    run(service, "SELECT 'secret'", database="main")
    (line,) = map(json.loads, kept.read_lines(tmp_path))
    assert (line["event"], line["database"], list(by_shape(line))) == ("request", "main", ["SELECT ?"])
    file = tmp_path / kept.FOLDER / kept.FILE
    assert (file.stat().st_mode & 0o77, file.parent.stat().st_mode & 0o77) == (0, 0)


def test_the_file_is_limited_and_its_failure_fails_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = over(tmp_path)
    monkeypatch.setattr(kept, "MAX_BYTES", 400)
    for number in range(9):
        run(service, f"SELECT 1 AS c{number}")
    lines = kept.read_lines(tmp_path)
    assert 2 <= len(lines) < 9
    assert "c8" in lines[-1]
    folder = tmp_path / kept.FOLDER
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    run(service, "SELECT 1")
    assert '"insights_not_kept"' in capsys.readouterr().err


def test_a_setting_that_is_neither_true_nor_false() -> None:
    assert insights_of({"SLDB_INSIGHTS": "true"})
    with pytest.raises(BadSetting):
        insights_of({"SLDB_INSIGHTS": "yes"})


def test_the_lines_of_another_request_are_not_taken() -> None:
    send = Container()
    with pytest.raises(SldbError):
        send.service.reply(Request.decode({"query": "SELECT nothing"}))
    assert send.service.noted() == {}
    send.service.reply(Request.decode({"query": "SELECT 1"}))
    assert list(by_shape(send.service.noted())) == ["SELECT ?"]
    assert send.service.noted() == {}
