"""HTTP over the service: events of API Gateway and requests of `sldb serve`, each with one line in the log.

A response is made by the routes; here is what they run on, the service bound to one caller, and the one place that
turns a bug into a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.database.delivery import DIRECT, Delivery
from lambda_handlers.events import Context, traces
from lambda_handlers.http.api_gateway import http_request, http_response, with_cors
from lambda_handlers.http.bodies import Bodies, SpooledBodies, StoredBodies, can_follow
from lambda_handlers.http.claims import caller_of, front_of
from lambda_handlers.http.errors import error_response
from lambda_handlers.http.gateway_time import HINT, GatewayContext
from lambda_handlers.http.messages import JSON, Body, HttpRequest, HttpResponse, Limits, Pieces
from lambda_handlers.http.routes import front as routes
from lambda_handlers.log import Log, trace
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.store.protocol import detail_of
from lambda_handlers.wire import Action, Reply, Request, SldbError, StoredRows, bug_in

if TYPE_CHECKING:
    from lambda_handlers.access.directory import Directory
    from lambda_handlers.database.replies import Replies
    from lambda_handlers.host import Host
    from lambda_handlers.settings import Settings


class _Service(Protocol):
    def reply(
        self,
        request: Request,
        remaining_seconds: float | None = None,
        *,
        delivery: Delivery = DIRECT,
        invocation_id: str | None = None,
        caller: Caller = OPERATOR,
    ) -> Reply: ...

    def act(
        self, action: Action, remaining_seconds: float | None = None, *, caller: Caller = OPERATOR
    ) -> dict[str, Any]: ...

    def noted(self) -> dict[str, Any]: ...


class HttpService:
    def __init__(
        self, service: _Service, log: Log, host: Host, settings: Settings, replies: Replies, callers: Directory
    ) -> None:
        self._service = service
        self._log = log
        self._host = host
        self._settings = settings
        self._replies = replies
        self._callers = callers

    def handle(self, event: Mapping[str, Any], context: Context | None = None) -> dict[str, Any]:
        """Return the response to an event of API Gateway or a function URL, as these take it. Raises nothing."""
        return with_cors(self._handle(event, context), event, self._settings.cors_origins)

    def _handle(self, event: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
        line: dict[str, Any] = {"aws_request_id": getattr(context, "aws_request_id", None)}
        try:
            line["front"] = front = front_of(event)
            http = http_request(event, caller_of(event, self._callers.find, self._host.now()), front)
        except Exception as error:  # noqa: BLE001 - as in `respond`
            return http_response(self._refuse(error, line))
        return http_response(self.respond(http, context=context, is_event=True))

    def _refuse(self, error: Exception, line: dict[str, Any]) -> HttpResponse:
        """Return the response to an event that does not get as far as a route."""
        if isinstance(error, SldbError):
            response, details = error_response(error.for_stack(self._settings.stack)), error.details
            line.update(code=error.code, reason=details.get("reason"), caller=details.get("caller"))
            line.update(aws_said=detail_of(error) or None)
        else:
            response = error_response(bug_in(line["aws_request_id"]))
            line.update(code="internal", traceback=trace(error))
        write = self._log.error if response.status >= 500 else self._log.info
        write("request", **line, status=response.status)
        return response

    def respond(
        self,
        http: HttpRequest,
        limits: Limits | None = None,
        *,
        context: Context | None = None,
        is_event: bool = False,
    ) -> HttpResponse:
        """Return the response to a request. Raises nothing. `is_event`: it goes out as text inside the JSON of a reply
        of Lambda's."""
        started = self._host.now()
        invocation_id = getattr(context, "aws_request_id", None)
        engine = self._engine(http, context, is_event=is_event)
        line = engine.noted
        line.update(aws_request_id=invocation_id, front=http.front or None, caller=http.caller.name or None)
        engine.traces = traces(self._settings, context, http.headers)
        line.update(engine.traces)
        try:
            response = routes.respond(http, engine, limits or Limits())
            line.setdefault("code", response.code or None)
        except Exception as error:  # noqa: BLE001 - a bug: this is the one place that turns it into a response
            response = error_response(bug_in(invocation_id))
            line.update(code="internal", traceback=trace(error))
        finally:
            engine.bodies.close()
        write = self._log.error if response.status >= 500 else self._log.info
        line.update(self._service.noted(), status=response.status, ms=round((self._host.now() - started) * 1000, 3))
        write("request", **line)
        return response

    def _engine(self, http: HttpRequest, context: Context | None, *, is_event: bool) -> ServiceEngine:
        """Return the engine of one response. Its `bodies` are to be closed."""

        def remaining() -> float | None:
            return context.get_remaining_time_in_millis() / 1000 if context else None

        bodies: Bodies = SpooledBodies()
        if is_event:
            limit = self._settings.reply_limit_bytes
            bodies = StoredBodies(self._replies, limit, remaining, can_follow(http.headers))
        stack = self._settings.stack
        return ServiceEngine(self._service, http.caller, stack, bodies, context)


@dataclass(slots=True)
class ServiceEngine:
    """The service, for the caller of one HTTP request and within its time."""

    service: _Service
    caller: Caller
    stack: str  # for the commands in hints
    bodies: Bodies
    context: Context | None = None  # of the invocation
    noted: dict[str, Any] = field(default_factory=dict)  # for the line of the log
    traces: dict[str, Any] = field(default_factory=dict)  # that the request belongs to
    _replies: int = 0  # asked for so far

    def reply(self, request: Request, *, links: bool = False, held: int = 0) -> Reply:
        self.noted.update(request_id=request.request_id, database=request.database)
        try:
            reply = self.service.reply(
                request,
                self._remaining_seconds(),
                delivery=self.bodies.delivery(links=links, held=held),
                invocation_id=self._next_id(),
                caller=self.caller,
            )
        except SldbError as error:
            self._note(error)
            raise
        reply.stats.update(self.traces)
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

    def rows(self, stored: StoredRows) -> Pieces:
        return self.bodies.rows(stored)

    def collect(self, pieces: Pieces, kind: str = JSON) -> Body:
        try:
            return self.bodies.collect(pieces, kind)
        except SldbError as error:
            self._note(error)
            raise

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
        if error.code == "query_timeout" and isinstance(self.context, GatewayContext) and self.context.is_gateway_first:
            error.hint = HINT
        error.for_stack(self.stack)
        self.noted.update(code=error.code, applied=error.details.get("applied"))
        if detail := detail_of(error):
            self.noted.update(aws_said=detail)
