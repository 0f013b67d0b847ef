"""Requests to many databases side by side: a bounded number at a time, reported in order, none delayed by another.

    for name, outcome in run_side_by_side(names, run, jobs=8, timeout_seconds=35.0): …

Outcomes come in the order of `names`, not of their arrival. A job without an outcome `timeout_seconds` after its start
is given up: its thread goes on unobserved, and the next job starts in its place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from lambda_handlers.wire import Reply, Request, SldbError
from sldb.client import Client
from sldb.targets.protocol import with_id

T = TypeVar("T")

PAUSE_SECONDS = 0.2  # between two looks for Ctrl-C
CANCEL_SECONDS = 10.0  # for the answers to cancellations
MAX_AHEAD = 8  # times `jobs`: started jobs whose outcome is not yet reported


def find_matching(patterns: Sequence[str], databases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the sorted names of all databases matching a pattern (of a shell: * ? [abc]).

    `databases`: the reply of the action of that name. Dropped ones are left out; a damaged one is included, for its
    error reports it.
    """
    names = {str(one["name"]) for one in databases if one.get("state", "ok") in ("ok", "damaged")}
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


@dataclass(slots=True)
class _Job(Generic[T]):
    """The request to one database, in its own thread."""

    name: str
    started_at: float
    outcome: T | Exception | None = None
    is_over: bool = False


@dataclass(slots=True)
class _Jobs(Generic[T]):
    """The jobs of one run, with the condition for the waits of the main thread."""

    run: Callable[[str], T]
    timeout_seconds: float | None
    now: Callable[[], float]
    changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self, name: str) -> _Job[T]:
        job: _Job[T] = _Job(name, self.now())
        # A daemon, so that a job that hangs does not keep the process from ending.
        threading.Thread(target=self._work, args=(job,), name=f"sldb-{name}", daemon=True).start()
        return job

    def _work(self, job: _Job[T]) -> None:
        try:
            outcome: T | Exception = self.run(job.name)
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            outcome = error
        with self.changed:
            job.outcome, job.is_over = outcome, True
            self.changed.notify()

    def is_late(self, job: _Job[T]) -> bool:
        return self.timeout_seconds is not None and self.now() - job.started_at >= self.timeout_seconds

    def wait(self, jobs: Sequence[_Job[T]]) -> None:
        """Wait until an outcome arrives or the next of the jobs is late, or for a short time."""
        seconds = PAUSE_SECONDS
        if self.timeout_seconds is not None and jobs:
            ends = [job.started_at + self.timeout_seconds for job in jobs]
            seconds = min(seconds, max(0.0, min(ends) - self.now()))
        # Ctrl-C does not end a wait that begins just after it: it is noticed at the end.
        self.changed.wait(seconds)


class SideBySide(Generic[T]):
    """One run of `run` for many names."""

    def __init__(
        self,
        run: Callable[[str], T],
        jobs: int,
        timeout_seconds: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._timeout_seconds = timeout_seconds
        self._started = _Jobs(run, timeout_seconds, now)
        self._begun: list[_Job[T]] = []  # and not yet reported

    def outcomes(self, names: Sequence[str]) -> Iterator[tuple[str, T | SldbError]]:
        """Yield the result of `run` for each name, or its SldbError; other exceptions of it are raised here."""
        waiting, begun, started = list(reversed(names)), self._begun, self._started
        while waiting or begun:
            with started.changed:
                while True:
                    running = [job for job in begun if not job.is_over and not started.is_late(job)]
                    while waiting and len(running) < self._jobs and len(begun) < MAX_AHEAD * self._jobs:
                        begun.append(started.start(waiting.pop()))
                        running.append(begun[-1])
                    if begun[0].is_over or started.is_late(begun[0]):
                        break
                    started.wait(running)
                job = begun.pop(0)
            outcome = _outcome(job, self._timeout_seconds)
            yield job.name, outcome

    def stop(
        self, cancel: Callable[[Sequence[str]], object], seconds: float
    ) -> Iterator[tuple[str, T | SldbError | None]]:
        """End the run after Ctrl-C: start nothing more, and yield the outcome of each name that was not yet reported.

        `cancel` gets the names that still run. None stands for no outcome within so many seconds.
        """
        begun, started = self._begun, self._started
        cancel([job.name for job in begun if not job.is_over])
        ends_at = started.now() + seconds
        with started.changed:
            while not all(job.is_over for job in begun) and started.now() < ends_at:
                started.wait(())
        for job in begun:
            if not job.is_over:
                yield job.name, None
                continue
            outcome = _outcome(job, None)
            yield job.name, outcome


def run_side_by_side(
    names: Sequence[str],
    run: Callable[[str], T],
    jobs: int,
    timeout_seconds: float | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[str, T | SldbError]]:
    """Yield the outcomes of a `SideBySide` that runs to its end."""
    return SideBySide(run, jobs, timeout_seconds, now).outcomes(names)


def _outcome(job: _Job[T], timeout_seconds: float | None) -> T | SldbError:
    if not job.is_over:
        return SldbError(
            "query_timeout",
            f"{job.name} gave no answer within {timeout_seconds:.0f} s",
            "run it on this database alone, or give it more time (--timeout)",
            applied="unknown",
        )
    if isinstance(job.outcome, Exception) and not isinstance(job.outcome, SldbError):
        raise job.outcome
    return job.outcome  # type: ignore[return-value]  # the job is over, so it is set


class Clients:
    """A pool of clients: one for each concurrent request, used again afterwards."""

    def __init__(self, open_client: Callable[[], Client]) -> None:
        self._open = open_client
        self._idle: list[Client] = []
        self._running: dict[str, Request] = {}  # by database
        self._cancelled: set[str] = set()  # databases; a request to one that is not sent yet never is
        self._guard = threading.Lock()  # of both

    def execute(self, database: str, request: Request) -> Reply:
        """Run a request on a database with an idle or a new client. Raises SldbError, `cancelled` after `cancel`."""
        request = with_id(request)
        with self._guard:
            if database in self._cancelled:
                raise SldbError("cancelled", "the request was cancelled before it was sent", applied="no")
            self._running[database] = request
        client = self._idle.pop() if self._idle else self._open()
        try:
            return replace(client, database=database).execute(request)
        finally:
            self._idle.append(client)

    def request_id(self, database: str) -> str:
        """Return the id of the last request to a database."""
        return str(self._running[database].request_id)

    def cancel(self, databases: Sequence[str]) -> None:
        """Cancel the requests to these databases, by clients of their own. A failure is left to their outcomes."""
        found = run_side_by_side(databases, self._cancel, max(1, len(databases)), CANCEL_SECONDS)
        for _ in found:
            pass

    def _cancel(self, database: str) -> None:
        with self._guard:
            self._cancelled.add(database)
            request = self._running.get(database)
        if request is None:
            return
        with closing(self._open()) as client:
            replace(client, database=database).cancel(str(request.request_id), request.attempt)

    def close(self) -> None:
        """Close the idle clients."""
        while self._idle:
            self._idle.pop().close()
