"""The requests of a pipeline on one stream: what each answers, and what it does to the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lambda_handlers.http.bodies import StreamedRows, lines_of
from lambda_handlers.http.hrana import requests
from lambda_handlers.http.hrana.control import control_of
from lambda_handlers.http.hrana.errors import INPUT_ERROR, MANY_STATEMENTS, PARSE_ERROR, error_object, error_of
from lambda_handlers.http.hrana.outcomes import Failed, Outcome, Ran, RequestFailed, RequestIds, Step
from lambda_handlers.http.hrana.results import statement_result
from lambda_handlers.http.hrana.steps import StepRunner
from lambda_handlers.http.hrana.stream import MAX_STORED_CHARACTERS, MAX_STORED_TEXTS, Stream
from lambda_handlers.http.hrana.values import encode_line, encode_row
from lambda_handlers.http.messages import Engine
from lambda_handlers.sql import script
from lambda_handlers.wire import Action, Result, SldbError
from lambda_handlers.wire.conditions import Condition


class StreamRequests:
    def __init__(self, stream: Stream, engine: Engine, idempotency_key: str | None) -> None:
        self._stream = stream
        self._engine = engine
        self._key = idempotency_key

    def response(self, request: requests.StreamRequest, index: int) -> dict[str, Any]:
        """Return the response to the request at an index of the pipeline. Raises RequestFailed, ProtocolFailure."""
        kind, answer = _ANSWERS[type(request)]
        return {"type": kind, **answer(self, request, index)}

    def outcomes(self, batch: requests.Batch, index: int) -> tuple[list[Step], list[Outcome]]:
        """Return the steps of a batch and their outcomes. Raises RequestFailed and ProtocolFailure."""
        steps = [self._step(step.stmt, step.condition) for step in batch.steps]
        return steps, self._runner(index).run(steps)

    def _runner(self, index: int) -> StepRunner:
        prefix = f"{self._key}.{index}" if self._key else None
        return StepRunner(self._stream, self._engine, RequestIds(prefix))

    # Statements

    def _execute(self, request: requests.Execute, index: int) -> dict[str, Any]:
        step = self._step(request.stmt, None)
        [outcome] = self._runner(index).run([step])
        if isinstance(outcome, Failed):
            raise RequestFailed(outcome.error)
        return {"result": self._shown(outcome, step, request.stmt)}

    def _batch(self, request: requests.Batch, index: int) -> dict[str, Any]:
        steps, outcomes = self.outcomes(request, index)
        shown = zip(outcomes, steps, request.steps, strict=True)
        results = [self._shown(outcome, step, sent.stmt) for outcome, step, sent in shown]
        errors = [outcome.error if isinstance(outcome, Failed) else None for outcome in outcomes]
        return {"result": {"step_results": results, "step_errors": errors}}

    def _sequence(self, request: requests.Sequenced, index: int) -> dict[str, Any]:
        try:
            texts = [piece.sql for piece in script.split(self._sql(request.text))]
        except SldbError as error:
            raise RequestFailed(error_of(error)) from error
        steps = [
            Step(sql, condition=Condition("ok", entry=i - 1) if i else None, control=control_of(sql))
            for i, sql in enumerate(texts)
        ]
        for outcome in self._runner(index).run(steps):
            if isinstance(outcome, Failed):
                raise RequestFailed(outcome.error)
        return {}

    def rows_of(self, result: Result) -> Iterator[bytes]:
        """Yield the rows of a result as JSON, stored or not."""
        if result.stored is None:
            return (encode_row(row).encode() for row in result.rows)
        return map(encode_line, lines_of(self._engine.rows(result.stored)))

    def _shown(self, outcome: Outcome, step: Step, stmt: requests.Stmt) -> dict[str, Any] | None:
        if not isinstance(outcome, Ran):
            return None
        result = outcome.result
        rows: Iterator[bytes] = iter(())
        if stmt.want_rows and result.stored is not None:
            rows = self.rows_of(result)
        elif stmt.want_rows and result.rows:
            rows = iter((",".join(map(encode_row, result.rows)).encode(),))
        return statement_result(result, StreamedRows(rows), step.sql, outcome.duration_ms)

    def _step(self, stmt: requests.Stmt, condition: Condition | None) -> Step:
        """Return the step of a statement; its text need not be one."""
        try:
            sql = self._one_statement(stmt.text)
        except RequestFailed as failed:
            return Step("", condition=condition, refusal=failed.error)
        if stmt.mixes_params:
            refusal = error_object(INPUT_ERROR, "the statement has values by position and by name: give one kind")
            return Step(sql, condition=condition, refusal=refusal)
        return Step(sql, stmt.params, condition, control_of(sql))

    def _one_statement(self, text: requests.Text) -> str:
        """Return the text of exactly one statement. Raises RequestFailed."""
        sql = self._sql(text)
        try:
            pieces = list(script.split(sql))
        except SldbError as error:
            raise RequestFailed(error_of(error)) from error
        if not pieces:
            raise RequestFailed(error_object(PARSE_ERROR, "the SQL text contains no statement"))
        if len(pieces) > 1:
            message = f"the SQL text contains {len(pieces)} statements: one is expected"
            raise RequestFailed(error_object(MANY_STATEMENTS, message))
        return sql

    def _sql(self, text: requests.Text) -> str:
        """Return the SQL text, stored or not. Raises RequestFailed."""
        if text.sql is not None:
            return text.sql
        stored = self._stream.stored.get(text.sql_id) if text.sql_id is not None else None
        if stored is None:
            raise RequestFailed(error_object(INPUT_ERROR, f"no SQL text is stored as {text.sql_id} on this stream"))
        return stored

    # All others

    def _describe(self, request: requests.Describe, _index: int) -> dict[str, Any]:
        arguments: dict[str, Any] = {"query": self._one_statement(request.text)}
        if self._stream.token is not None:
            arguments["transaction"] = self._stream.token
        try:
            found = self._engine.act(Action("describe", self._stream.database, arguments))
        except SldbError as error:
            raise RequestFailed(error_of(error)) from error
        params = [{} if name is None else {"name": name} for name in found["parameters"]]
        columns = [{"name": column["name"], "decltype": column["type"]} for column in found["columns"]]
        flags = {name: found[name] for name in ("is_explain", "is_readonly")}
        return {"result": {"params": params, "cols": columns, **flags}}

    def _store_sql(self, request: requests.StoreSql, _index: int) -> dict[str, Any]:
        if not self._stream.has_room(request.sql_id, request.sql):
            message = f"a stream stores at most {MAX_STORED_TEXTS} texts of {MAX_STORED_CHARACTERS} characters in all"
            raise RequestFailed(error_object(INPUT_ERROR, message))
        self._stream.stored[request.sql_id] = request.sql
        return {}

    def _close_sql(self, request: requests.CloseSql, _index: int) -> dict[str, Any]:
        self._stream.stored.pop(request.sql_id, None)
        return {}

    def _get_autocommit(self, _request: requests.GetAutocommit, _index: int) -> dict[str, Any]:
        return {"is_autocommit": self._stream.is_autocommit}

    def _close(self, _request: requests.Close, index: int) -> dict[str, Any]:
        self._runner(index).roll_back()
        self._stream.close()
        return {}


_ANSWERS: dict[type, tuple[str, Callable[[StreamRequests, Any, int], dict[str, Any]]]] = {
    requests.Execute: ("execute", StreamRequests._execute),
    requests.Batch: ("batch", StreamRequests._batch),
    requests.Sequenced: ("sequence", StreamRequests._sequence),
    requests.Describe: ("describe", StreamRequests._describe),
    requests.StoreSql: ("store_sql", StreamRequests._store_sql),
    requests.CloseSql: ("close_sql", StreamRequests._close_sql),
    requests.GetAutocommit: ("get_autocommit", StreamRequests._get_autocommit),
    requests.Close: ("close", StreamRequests._close),
}
