"""A batch of SQS: its messages are committed in groups (`queue.group`), and the others go back to the queue.

Returning a message is harmless, and dropping one would lose a write: so each message goes back unless it is known to be
applied. SQS delivers it again, and moves it to the dead letters after its tries.

A message that needs much time, or a database whose lock is held, does not keep the others from their turn: those would
use up their deliveries untried. So a wait for a lock has its share of the time, and a slow message comes last, in a
FIFO queue with those that wait for it.

The log has a `request` line for each tried message, and a `batch` line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from lambda_handlers.database.database import Database
from lambda_handlers.database.delivery import Delivery
from lambda_handlers.deadline import Deadline, seconds_for
from lambda_handlers.events import Context, line_of
from lambda_handlers.log import trace
from lambda_handlers.queue.alone import runs_alone
from lambda_handlers.queue.group import Group, Outcome, Share
from lambda_handlers.queue.message import Message, decode
from lambda_handlers.queue.order import Stopped, segments
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.store.protocol import detail_of
from lambda_handlers.wire import Request, SldbError

if TYPE_CHECKING:
    from lambda_handlers.resources import Resources

OK = 200
MIN_LOCK_SECONDS = 5.0  # for the lock of a database, if there are many in a batch


class Engine(Protocol):
    """The part of the service used here."""

    def answer(
        self, read: Callable[[], object], context: Context | None, delivery: Delivery = ...
    ) -> tuple[int, dict[str, Any]]: ...

    def noted(self) -> dict[str, Any]: ...

    def using(self, name: str, stats: dict[str, Any]) -> AbstractContextManager[Database]: ...


class Batch:
    """To be run once. `failures` may be called by another thread meanwhile."""

    def __init__(
        self, engine: Engine, resources: Resources, records: Sequence[Mapping[str, Any]], context: Context | None
    ) -> None:
        settings, now = resources.settings, resources.host.now
        self._engine = engine
        self._settings = settings
        self._log = resources.log
        self._now = now
        self._context = context
        self._ids = [record["messageId"] for record in records]
        self._messages = [decode(record, settings.stack, settings.queue_tries) for record in records]
        self._done: set[str] = set()  # ids of messages
        self._stopped = Stopped()
        self._later: deque[deque[Message]] = deque()  # segments that have not begun
        self._slow: deque[deque[Message]] = deque()  # slow messages, with those to run behind them
        self._untried = self._groups = self._commits = self._group_commits = 0
        self._stats: dict[str, Any] = {"lock_wait_ms": 0.0, "conflicts": 0}  # of the groups
        remaining = context.get_remaining_time_in_millis() / 1000 if context else None
        self._began = now()
        self._deadline = Deadline(self._began + seconds_for(Request(()), remaining), now)

    def failures(self) -> dict[str, Any]:
        """Return the reply to the event: the messages not known to be applied."""
        return {"batchItemFailures": [{"itemIdentifier": one} for one in self._ids if one not in self._done]}

    def run(self) -> dict[str, Any]:
        """Run the messages, and return the reply to the event. Raises nothing."""
        try:
            self._later.extend(deque(segment) for segment in segments(self._messages))
            while self._later:
                self._run_segment(self._later.popleft())
            while self._slow:
                self._run_slow(self._slow.popleft())
        except Exception as error:  # noqa: BLE001 - a bug: what was not done goes back
            self._log.error("batch_stopped", aws_request_id=self._request_id, traceback=trace(error))
        self._write_line()
        return self.failures()

    @property
    def _request_id(self) -> str | None:
        return getattr(self._context, "aws_request_id", None)

    def _run_segment(self, waiting: deque[Message]) -> None:
        while waiting:
            message = waiting[0]
            if self._stopped.holds(message) or self._is_late():
                self._note(Outcome(waiting.popleft()))
            elif message.error is not None:
                self._note(Outcome(waiting.popleft(), error=message.error))
            elif self._settings.read_only or self._runs_alone(message):
                self._run_alone(waiting.popleft())
            else:
                self._run_group(waiting)

    def _run_slow(self, waiting: deque[Message]) -> None:
        """Run a slow message alone, and then those behind it."""
        if not (self._stopped.holds(waiting[0]) or self._is_late()):
            self._run_alone(waiting.popleft())
        self._run_segment(waiting)

    def _is_late(self) -> bool:
        """Return True if there is no time for another message. The first one is tried in any case."""
        return self._groups > 0 and self._deadline.is_over()

    def _runs_alone(self, message: Message) -> bool:
        return message.request is not None and runs_alone(message.request)

    def _run_alone(self, message: Message) -> None:
        """Run a message as a request of its own. It writes its line to the log."""
        self._groups += 1
        delivery = Delivery(queued=message.queued, headers=message.headers)
        status, body = self._engine.answer(lambda: message.event, self._context, delivery)
        if status == OK:
            self._done.add(message.id)
            self._commits += bool(body["stats"].get("commit_ms"))
        else:
            self._stopped.note_failure(message)

    def _run_group(self, waiting: deque[Message]) -> None:
        """Run the messages up to the next one that runs alone."""
        messages, started = list(takewhile(lambda one: not self._runs_alone(one), waiting)), self._now()
        try:
            with self._engine.using(messages[0].database, self._stats) as database:
                share = self._share(is_last=len(messages) == len(waiting))
                taken = Group(database, share, self._stopped, self._stats).commit(messages)
        except SldbError as error:
            self._groups += 1
            stats = {"execute_ms": round((self._now() - started) * 1000, 3)}
            self._note_all(Outcome(one, error=one.error or error, stats=stats) for one in messages)
            for _ in messages:
                waiting.popleft()
            return
        self._groups += bool(taken.outcomes)
        self._commits += taken.txid is not None
        self._group_commits += taken.txid is not None
        self._note_all(taken.outcomes)
        for _ in taken.outcomes:
            waiting.popleft()
        if taken.slow and self._can_wait(waiting):
            self._postpone(waiting)
        elif taken.alone:
            self._run_alone(waiting.popleft())

    def _share(self, *, is_last: bool) -> Share:
        """Return the share of the next group in the time left. `is_last`: of its segment."""
        left = self._deadline.seconds_left
        lock_seconds = min(left, max(MIN_LOCK_SECONDS, left / (1 + len(self._later))))
        lock_deadline = replace(self._deadline, at=self._now() + lock_seconds)
        return Share(self._deadline, lock_deadline, is_last and not self._later and not self._slow)

    def _can_wait(self, waiting: deque[Message]) -> bool:
        """Return True if no later segment has a message of a FIFO group in this one, which would be overtaken."""
        groups = {message.group for message in waiting} - {None}
        return not any(message.group in groups for segment in self._later for message in segment)

    def _postpone(self, waiting: deque[Message]) -> None:
        """Let the slow message at the head come last. In a FIFO queue the rest of its segment stays behind it."""
        if waiting[0].group is None:
            self._slow.append(deque((waiting.popleft(),)))
        else:
            self._slow.append(deque(waiting))
            waiting.clear()

    def _note_all(self, outcomes: Iterable[Outcome]) -> None:
        """Note the outcomes of a group. The line of its first message has the figures of all statements."""
        noted = self._engine.noted()
        for outcome in outcomes:
            self._note(outcome, noted)
            noted = {}

    def _note(self, outcome: Outcome, noted: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Note the outcome of a message, tried or not."""
        message, error = outcome.message, outcome.error
        if error is not None:
            self._stopped.note_failure(message)
        elif outcome.txid is not None:
            self._done.add(message.id)
        else:
            self._stopped.note_untried(message)
            self._untried += 1
            return
        self._write_request(outcome, noted)

    # The log

    def _write_request(self, outcome: Outcome, noted: Mapping[str, Any]) -> None:
        message, error, stats = outcome.message, outcome.error, outcome.stats or {}
        line = line_of(self._settings, self._context, message.headers)
        if message.request is not None:
            line.update(request_id=message.request.request_id, database=message.database)
        if error is not None:
            line.update(code=error.code, applied=error.details.get("applied"))
            if detail := detail_of(error):
                line.update(aws_said=detail)
        else:
            line.update(txid=outcome.txid)
        status = error.status if error else OK
        line.update(**noted, **stats, status=status, ms=stats.get("execute_ms", 0.0))
        (self._log.error if status >= 500 else self._log.info)("request", **line)

    def _write_line(self) -> None:
        sent = [message.sent_at for message in self._messages if message.sent_at is not None]
        age_seconds = round(max(0.0, self._began - min(sent)), 3) if sent else None
        self._log.info(
            "batch",
            aws_request_id=self._request_id,
            messages=len(self._messages),
            groups=self._groups,
            commits=self._commits,
            group_commits=self._group_commits,
            failed=len(self._messages) - len(self._done) - self._untried,
            untried=self._untried,
            age_seconds=age_seconds,
            **self._stats,
            ms=round((self._now() - self._began) * 1000, 3),
        )
