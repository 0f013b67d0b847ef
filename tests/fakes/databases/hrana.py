"""A client of SQL over HTTP without HTTP: each of its requests meets a fresh container, or one that stays."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from lambda_handlers.caller import OPERATOR
from lambda_handlers.host import Host
from lambda_handlers.http.bodies import Bodies, SpooledBodies
from lambda_handlers.http.hrana.endpoints import cursor, pipeline
from lambda_handlers.http.messages import HttpResponse
from lambda_handlers.http.routes.answers import ServiceEngine
from lambda_handlers.service import Service
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.databases.service import container


def execute(sql: str, *args: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "execute", "stmt": statement(sql, *args, **fields)}


def statement(sql: str, *args: Any, **fields: Any) -> dict[str, Any]:
    return {"sql": sql, **({"args": [encoded(arg) for arg in args]} if args else {}), **fields}


def step(sql: str, condition: Any = None, **fields: Any) -> dict[str, Any]:
    return {"stmt": statement(sql, **fields), **({"condition": condition} if condition else {})}


def batch(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "batch", "batch": {"steps": list(steps)}}


def encoded(value: Any) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"type": "blob", "base64": base64.b64encode(value).decode()}
    kinds = {type(None): "null", int: "integer", float: "float", str: "text"}
    shown = str(value) if isinstance(value, int) else value
    return {"type": kinds[type(value)], **({} if value is None else {"value": shown})}


def decoded(value: dict[str, Any]) -> Any:
    if value["type"] == "blob":
        return base64.b64decode(value["base64"] + "=" * (-len(value["base64"]) % 4))
    return int(value["value"]) if value["type"] == "integer" else value.get("value")


def rows(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of the result of an execute."""
    return [tuple(decoded(value) for value in row) for row in result["response"]["result"]["rows"]]


class HranaClient:
    """A stream. It keeps the baton of the last response, as clients do."""

    def __init__(
        self,
        store: ObjectStore,
        service: Service | None = None,
        version: int = 3,
        bodies: Callable[[], Bodies] = SpooledBodies,
        host: Host | None = None,
    ) -> None:
        """`service`: the container of all requests; None: a fresh one for each, on `host`."""
        self._store = store
        self._service = service
        self._version = version
        self._new_bodies = bodies
        self._host = host
        self.baton: str | None = None
        self.response: HttpResponse | None = None  # the last one

    def send(self, *requests: dict[str, Any], database: str = "main", key: str | None = None) -> list[dict[str, Any]]:
        """Return the results of a pipeline; asserts status 200."""
        body = self.post({"baton": self.baton, "requests": list(requests)}, database, key)
        assert self.response is not None
        assert self.response.status == 200, body
        self.baton = body["baton"]
        results: list[dict[str, Any]] = body["results"]
        return results

    def run(self, sql: str, *args: Any) -> dict[str, Any]:
        """Return the result of one execute, as the protocol has it: an ok or an error."""
        return self.send(execute(sql, *args))[0]

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return rows(self.run(sql, *args))

    def post(self, body: Any, database: str = "main", key: str | None = None) -> Any:
        """Return the JSON of the response to a pipeline."""
        encoded_body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.response = self._answer(pipeline, encoded_body, database, key)
        return json.loads(self.response.body)

    def cursor(self, *steps: dict[str, Any], database: str = "main") -> list[dict[str, Any]]:
        """Return the entries of a cursor, without its first line."""
        body = json.dumps({"baton": self.baton, "batch": {"steps": list(steps)}}).encode()
        self.response = self._answer(cursor, body, database, None)
        lines = [json.loads(line) for line in self.response.body.splitlines()]
        assert self.response.status == 200, lines
        self.baton = lines[0]["baton"]
        return lines[1:]

    def _answer(self, endpoint: Any, body: bytes, database: str, key: str | None) -> HttpResponse:
        service = self._service or container(self._store, host=self._host)
        try:
            engine = ServiceEngine(service, OPERATOR, "test-db", self._new_bodies())
            try:
                response: HttpResponse = endpoint(body, database, self._version, engine, key)
                return response
            finally:
                engine.bodies.close()
        finally:
            if self._service is None:
                service.close()
