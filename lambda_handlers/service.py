"""The service: a container's settings, store and lock, and its copies of the databases.

`reply` answers one request with a Reply or an SldbError, `act` one action; `handle` does so for an event in any of its
shapes, and never raises: a bug leaves a traceback in the log and becomes `internal`. One request runs at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import apsw

from lambda_handlers import events
from lambda_handlers.after_reply import AfterReply
from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.database.database import Database
from lambda_handlers.database.delivery import DIRECT, Delivery
from lambda_handlers.database.parts import Parts, Transactions
from lambda_handlers.database.replies import Replies
from lambda_handlers.deadline import seconds_for, seconds_until_late
from lambda_handlers.events import Context
from lambda_handlers.host import Host
from lambda_handlers.locks.build import build_lock
from lambda_handlers.log import Log, trace
from lambda_handlers.resources import Resources
from lambda_handlers.settings import Settings
from lambda_handlers.storage.log.keys import replies_prefix, streams_prefix
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.open import service_store
from lambda_handlers.store.protocol import ObjectStore, StoreError, detail_of
from lambda_handlers.store_clock import StoreClock
from lambda_handlers.watchdog import Watchdog
from lambda_handlers.wire import Action, Reply, Request, SldbError, bug_in, is_action, wrong_stack

if TYPE_CHECKING:
    from lambda_handlers.database.transaction.warm_sessions import WarmSessions
    from lambda_handlers.http.routes.answers import HttpService
    from lambda_handlers.locks.protocol import WriteLock
    from lambda_handlers.queue.batch import Batch

CALLERS_AGE_SECONDS = 30.0  # of the copy of the access document: what is revoked there ends within that time


class Service:
    def __init__(
        self,
        settings: Settings,
        host: Host | None = None,
        store: ObjectStore | None = None,
        lock: WriteLock | None = None,
        clock: StoreClock | None = None,  # the store's, if the lock reports times to it
    ) -> None:
        self._settings = settings
        self._host = host or Host()
        self._log = Log.of(settings, self._host.now)
        self._has_opened_store = store is None  # and closes it
        self._store = MeteredStore(service_store(settings, store, (replies_prefix(), streams_prefix())), clock)
        lock = lock or build_lock(settings, self._store, self._host, self._store.clock)
        watch = None
        if settings.insights:
            from lambda_handlers.insights.kept import new_watch  # few stacks want it, and imports slow down cold starts

            watch = new_watch(settings, self._store, self._log, self._host.now)
        self.after_reply = AfterReply(self._host, self._log, self._store)
        self._resources = Resources(settings, self._store, lock, self._host, self._log, self.after_reply, watch)
        self._databases: dict[str, Database] = {}  # the one used last comes last
        self._warm: WarmSessions | None = None
        self._http: HttpService | None = None
        self._batch: Batch | None = None  # of the queue, the newest one
        self._in_use: set[str] = set()  # by the request or action that runs
        self._machine = settings.billed_machine
        self._running = threading.Lock()
        self._watchdog = Watchdog(settings.runtime_api) if settings.runtime_api else None
        # SQLite's own memory; the rest is for Python, the rows of a reply and the bodies of objects.
        apsw.hard_heap_limit(settings.memory_bytes // 2)

    def reply(
        self,
        request: Request,
        remaining_seconds: float | None = None,
        *,
        delivery: Delivery = DIRECT,
        invocation_id: str | None = None,
        caller: Caller = OPERATOR,
    ) -> Reply:
        """Return the reply to a request. Raises SldbError. `remaining_seconds`: left to the function. `delivery`: how
        the reply gets to its client. `invocation_id`: Lambda's; the same when Lambda itself repeats an invocation."""
        self._refuse_another_stack(request)
        caller.check(request)
        limit = self._settings.reply_limit_bytes
        with self._running:
            started = self._host.now()
            deadline = self._resources.deadline(seconds_for(request, remaining_seconds), request, invocation_id, caller)
            with self._running_request(request.database, is_last=request.last):
                before = self._store.counters
                reply_limit = limit // 2 if limit and delivery.as_text else limit
                database = self._database(request.database)
                reply = database.execute(request, deadline, reply_limit, invocation_id, caller, delivery)
                self.after_reply.settle()
                used = self._store.used_since(before) | self._machine | self.after_reply.take_stats()
            reply.stats.update(used, ms=round((self._host.now() - started) * 1000, 3))
            return reply

    def noted(self) -> dict[str, Any]:
        """Return what the log's line of the requests run by this thread has besides; nothing twice."""
        return self._resources.watch.take() if self._resources.watch else {}

    def initialized(self, init_ms: float | None) -> None:
        """Note the time taken by the start of the container. The next reply reports it, since it is billed with it."""
        self.after_reply.add_stats(init_ms=init_ms)

    def act(
        self, action: Action, remaining_seconds: float | None = None, *, caller: Caller = OPERATOR
    ) -> dict[str, Any]:
        """Return the reply to an action. Raises SldbError. `remaining_seconds`: the time left to the function."""
        from lambda_handlers.actions import registry  # imports slow down cold starts
        from lambda_handlers.actions.context import ActionContext

        self._refuse_another_stack(action)
        run = registry.find(action.name)
        registry.check_rights(caller, action, self._settings)
        registry.run_at_once(self._resources, action, caller)
        with self._running:
            deadline = self._resources.deadline(seconds_for(action, remaining_seconds))
            context = ActionContext(self._resources, deadline, self._database, caller)
            with self._running_request():
                return run(context, action)

    def handle(self, event: object, context: Context | None = None, delivery: Delivery = DIRECT) -> dict[str, Any]:
        """Return the reply to an event, in the shape for that kind of event. `delivery`: of a direct one."""
        if context is not None and events.is_http(event):
            from lambda_handlers.http.gateway_time import limited  # a cold start does not need it

            context = limited(event, context, self._host.now)
        if self._watchdog is None or context is None:
            return self._handle(event, context, delivery)
        late = seconds_until_late(context.get_remaining_time_in_millis() / 1000)
        answers = delivery.queued is None  # Lambda then takes the end of the process for the error that it is
        give_up = partial(self._give_up, event, context)
        with self._watchdog.watching(late, context.aws_request_id, give_up, answers=answers):
            return self._handle(event, context, delivery)

    def _give_up(self, event: object, context: Context) -> dict[str, Any] | None:
        """Return the reply to a request stuck in SQLite, once its lock is free; None if it may still succeed."""
        errors = (database.give_up() for database in list(self._databases.values()))
        error = next((error for error in errors if error is not None), None)
        if error is None:
            return None
        self._log.error("given_up", aws_request_id=context.aws_request_id, code=error.code)
        if events.is_queue(event) and self._batch is not None:
            return self._batch.failures()
        return events.reply_of(event, error.status, error.for_stack(self._settings.stack).encode())

    def _handle(self, event: object, context: Context | None, delivery: Delivery) -> dict[str, Any]:
        if events.is_queue(event):
            return self._handle_queue(event, context)
        if events.is_http(event):
            return self.http.handle(event, context)
        status, body = self.answer(lambda: event, context, delivery)
        return {"statusCode": status, "body": body}

    @property
    def http(self) -> HttpService:
        """The service as it answers HTTP requests."""
        if self._http is None:
            from lambda_handlers.access.directory import Directory  # imports slow down cold starts
            from lambda_handlers.http.routes.answers import HttpService

            callers = Directory(self._store, self._host.now, CALLERS_AGE_SECONDS)
            replies = Replies(self._store, self._host)
            self._http = HttpService(self, self._log, self._host, self._settings, replies, callers)
        return self._http

    @contextmanager
    def using(self, name: str, stats: dict[str, Any]) -> Iterator[Database]:
        """Keep a database open for the requests of a queue, and add to `stats` what they ask of the store. No other
        request runs meanwhile."""
        with self._running, self._running_request(name):
            before = self._store.counters
            yield self._database(name)
            self.after_reply.settle()
            for counter, count in self._store.used_since(before).items():
                stats[counter] = stats.get(counter, 0) + count

    def close(self) -> None:
        with self._running:
            self.after_reply.finish()
            for database in self._databases.values():
                database.close()
            self._databases.clear()
            if self._has_opened_store:
                self._store.close()

    def _handle_queue(self, event: Mapping[str, Any], context: Context | None) -> dict[str, Any]:
        from lambda_handlers.queue.batch import Batch  # imports slow down cold starts

        self._batch = Batch(self, self._resources, event["Records"], context)
        return self._batch.run()

    def answer(
        self, read: Callable[[], object], context: Context | None, delivery: Delivery = DIRECT
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body for the request from `read`; write the request's line to the log."""
        started = self._host.now()
        line = events.line_of(self._settings, context, delivery.headers)
        try:
            received = read()
            remaining = context.get_remaining_time_in_millis() / 1000 if context else None
            status = 200
            if is_action(received):
                body = self._act(received, remaining, line)
            else:
                body = self._execute(received, remaining, line, delivery)
        except SldbError as error:
            line.update(code=error.code, applied=error.details.get("applied"))
            if detail := detail_of(error):
                line.update(aws_said=detail)
            status, body = error.status, error.for_stack(self._settings.stack).encode()
        except Exception as error:  # noqa: BLE001 - a bug: this is the one place that turns it into a reply
            line.update(code="internal", traceback=trace(error))
            bug = bug_in(line["aws_request_id"])
            status, body = bug.status, bug.encode()
        write = self._log.error if status >= 500 else self._log.info
        line.update(self.noted(), status=status, ms=round((self._host.now() - started) * 1000, 3))
        write("request", **line)
        return status, body

    def _execute(
        self, event: object, remaining: float | None, line: dict[str, Any], delivery: Delivery
    ) -> dict[str, Any]:
        request = Request.decode(event)
        line.update(request_id=request.request_id, database=request.database)
        reply = self.reply(request, remaining, delivery=delivery, invocation_id=line["aws_request_id"])
        reply.stats.update({name: line[name] for name in ("trace_id", "xray_trace_id") if name in line})
        line.update(txid=reply.txid, **reply.stats)
        return reply.encode()

    def _act(self, event: object, remaining: float | None, line: dict[str, Any]) -> dict[str, Any]:
        from lambda_handlers.actions import registry

        action = Action.decode(event)
        registry.find(action.name)  # raises: no unknown name goes to the log
        line.update(action=action.name, database=action.database)
        body = self.act(action, remaining)
        line.update(txid=body.get("txid"))
        return body

    def _refuse_another_stack(self, received: Request | Action) -> None:
        """Raise `bad_request` for a request to another stack than this function's, before anything is opened."""
        if received.stack is not None and received.stack != self._settings.stack:
            raise wrong_stack(received.stack, self._settings.stack)

    @contextmanager
    def _running_request(self, watched: str | None = None, *, is_last: bool = False) -> Iterator[None]:
        """Keep the databases of a request open; finish the work for earlier ones first. An error of the store at this
        place is a bug, and leaves the outcome of a write open. `watched`: the database of a request of which is noted
        what its statements take."""
        self.after_reply.finish()
        self.after_reply.begin_request(is_last=is_last)
        watch, started = (self._resources.watch if watched else None), self._host.now()
        if watch:
            watch.begin_request()
        try:
            yield
        except StoreError as error:
            raise store_error(error, applied="unknown") from error
        finally:
            self._in_use.clear()
            if watch and watched:
                watch.end_request(watched, self._host.now() - started)
            self.after_reply.begin()

    def _database(self, name: str) -> Database:
        database = self._databases.pop(name, None) or Database(
            name, self._resources, partial(self._make_room, name), self._database, self._new_transactions
        )
        self._databases[name] = database
        self._in_use.add(name)
        return database

    def _make_room(self, used: str, size_bytes: int) -> None:
        """Close unused databases, the longest unused first, until a copy of `used` with so many bytes fits
        into the cache's budget."""
        others = {name: database.size_bytes for name, database in self._databases.items() if name != used}
        for name in [name for name in others if name not in self._in_use]:
            if sum(others.values()) + size_bytes <= self._settings.cache_bytes:
                return
            self._databases.pop(name).close()
            del others[name]

    def _new_transactions(self, parts: Parts) -> Transactions:
        from lambda_handlers.database.transaction import runner, warm_sessions  # imports slow down cold starts

        self._warm = self._warm or warm_sessions.WarmSessions(self._host.now)
        return runner.Transactions(parts, self._warm)
