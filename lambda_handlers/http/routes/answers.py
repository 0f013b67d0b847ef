"""HTTP over the service: events of API Gateway and requests of `sldb serve`, each with one line in the log.

A response is made by the routes; here is what they run on, the service bound to one caller, and the one place that
turns a bug into a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.events import Context
from lambda_handlers.http.api_gateway import http_request, http_response
from lambda_handlers.http.errors import error_response
from lambda_handlers.http.messages import HttpRequest, HttpResponse, Limits
from lambda_handlers.http.routes import front
from lambda_handlers.log import Log, trace
from lambda_handlers.store.protocol import detail_of
from lambda_handlers.wire import Action, Reply, Request, SldbError, bug_in

if TYPE_CHECKING:
    from lambda_handlers.host import Host


class _Service(Protocol):
    def reply(
        self,
        request: Request,
        remaining_seconds: float | None = None,
        *,
        as_text: bool = False,
        invocation_id: str | None = None,
        caller: Caller = OPERATOR,
    ) -> Reply: ...

    def act(
        self, action: Action, remaining_seconds: float | None = None, *, caller: Caller = OPERATOR
    ) -> dict[str, Any]: ...


class HttpService:
    def __init__(self, service: _Service, log: Log, host: Host, stack: str) -> None:
        self._service = service
        self._log = log
        self._host = host
        self._stack = stack  # for the commands in hints

    def handle(self, event: Mapping[str, Any], context: Context | None = None) -> dict[str, Any]:
        """Return the response to an event of API Gateway or a function URL, as these take it. Raises nothing."""
        try:
            http = http_request(event)
        except SldbError as error:
            return http_response(error_response(error))
        return http_response(self.respond(http, context=context, as_text=True))

    def respond(
        self,
        http: HttpRequest,
        limits: Limits | None = None,
        *,
        context: Context | None = None,
        as_text: bool = False,
    ) -> HttpResponse:
        """Return the response to a request. Raises nothing. `as_text`: it goes out as text inside JSON."""
        started = self._host.now()
        invocation_id = getattr(context, "aws_request_id", None)
        engine = ServiceEngine(self._service, http.caller, self._stack, context, as_text)
        line = engine.noted
        line.update(aws_request_id=invocation_id, caller=http.caller.name or None)
        try:
            response = front.respond(http, engine, limits or Limits())
            line.setdefault("code", response.code or None)
        except Exception as error:  # noqa: BLE001 - a bug: this is the one place that turns it into a response
            response = error_response(bug_in(invocation_id))
            line.update(code="internal", traceback=trace(error))
        write = self._log.error if response.status >= 500 else self._log.info
        line.update(status=response.status, ms=round((self._host.now() - started) * 1000, 3))
        write("request", **line)
        return response


@dataclass(slots=True)
class ServiceEngine:
    """The service, for the caller of one HTTP request and within its time."""

    service: _Service
    caller: Caller
    stack: str  # for the commands in hints
    context: Context | None = None  # of the invocation
    as_text: bool = False  # the response goes out as text inside JSON
    noted: dict[str, Any] = field(default_factory=dict)  # for the line of the log
    _replies: int = 0  # asked for so far

    def reply(self, request: Request) -> Reply:
        self.noted.update(request_id=request.request_id, database=request.database)
        try:
            reply = self.service.reply(
                request,
                self._remaining_seconds(),
                as_text=self.as_text,
                invocation_id=self._next_id(),
                caller=self.caller,
            )
        except SldbError as error:
            self._note(error)
            raise
        self.noted.update(txid=reply.txid, **reply.stats)
        return reply

    def act(self, action: Action) -> dict[str, Any]:
        self.noted.update(database=action.database)
        try:
            body = self.service.act(action, self._remaining_seconds(), caller=self.caller)
        except SldbError as error:
            self._note(error)
            raise
        self.noted.update(action=action.name, txid=body.get("txid"))
        return body

    def _remaining_seconds(self) -> float | None:
        """Return the time left to the function: the requests of a pipeline share it."""
        return self.context.get_remaining_time_in_millis() / 1000 if self.context else None

    def _next_id(self) -> str | None:
        """Return an id for a request without its own. The invocation has one, and may make several requests: under one
        id the second would be answered as the first."""
        invocation_id = getattr(self.context, "aws_request_id", None)
        self._replies += 1
        return f"{invocation_id}.{self._replies}" if invocation_id and self._replies > 1 else invocation_id

    def _note(self, error: SldbError) -> None:
        error.for_stack(self.stack)
        self.noted.update(code=error.code, applied=error.details.get("applied"))
        if detail := detail_of(error):
            self.noted.update(aws_said=detail)
