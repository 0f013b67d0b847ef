"""Many databases side by side: a bounded number at a time, told in order, and none waits for one that hangs.

    for name, outcome in side_by_side(names, run, jobs=8, patience=35.0): …

Outcomes come in the order of `names`, whatever the order in which they arrive. One that has not arrived `patience`
seconds after it was begun is given up: its thread is left alone, and its place taken by the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from lambda_handlers.wire import Reply, Request, SldbError
from sldb.client import Client

T = TypeVar("T")

AHEAD = 8  # times `jobs`: so many outcomes are kept at most that wait for an earlier one to be told


def matching(patterns: Sequence[str], databases: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names, in order, of those that one of the patterns (of a shell: * ? [abc]) means, and that are there to be
    asked: one that is damaged says so itself. `databases` as the action of that name tells of them."""
    names = {str(one["name"]) for one in databases if one["state"] in ("ok", "damaged")}
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


@dataclass(slots=True)
class _Job(Generic[T]):
    name: str
    started_at: float
    outcome: T | Exception | None = None
    is_over: bool = False


@dataclass(slots=True)
class _Runs(Generic[T]):
    run: Callable[[str], T]
    patience: float | None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self, name: str) -> _Job[T]:
        job: _Job[T] = _Job(name, time.monotonic())
        # Of daemons, so that one that hangs does not keep the process from ending.
        threading.Thread(target=self._work, args=(job,), name=f"sldb-{name}", daemon=True).start()
        return job

    def _work(self, job: _Job[T]) -> None:
        try:
            outcome: T | Exception = self.run(job.name)
        except Exception as error:  # noqa: BLE001 - it is the caller's, in the caller's thread
            outcome = error
        with self.changed:
            job.outcome, job.is_over = outcome, True
            self.changed.notify()

    def is_late(self, job: _Job[T]) -> bool:
        return self.patience is not None and time.monotonic() - job.started_at >= self.patience

    def wait(self, jobs: Sequence[_Job[T]]) -> None:
        """Until something changed, or the next of the jobs is late."""
        seconds = None
        if self.patience is not None:
            ends = [job.started_at + self.patience for job in jobs]
            seconds = max(0.0, min(ends) - time.monotonic()) if ends else None
        self.changed.wait(seconds)


def side_by_side(
    names: Sequence[str], run: Callable[[str], T], jobs: int, patience: float | None = None
) -> Iterator[tuple[str, T | SldbError]]:
    """`run` of each name, or the SldbError that it raised; other exceptions of it are raised here."""
    runs = _Runs(run, patience)
    waiting = list(reversed(names))
    begun: list[_Job[T]] = []  # and not yet told
    while waiting or begun:
        with runs.changed:
            while True:
                running = [job for job in begun if not job.is_over and not runs.is_late(job)]
                while waiting and len(running) < jobs and len(begun) < AHEAD * jobs:
                    begun.append(runs.start(waiting.pop()))
                    running.append(begun[-1])
                if begun[0].is_over or runs.is_late(begun[0]):
                    break
                runs.wait(running)
            job = begun.pop(0)
        told = _told(job, patience)
        yield job.name, told


def _told(job: _Job[T], patience: float | None) -> T | SldbError:
    if not job.is_over:
        return SldbError(
            "query_timeout",
            f"{job.name} gave no answer within {patience:.0f} s",
            "run it on this database alone, or give it more time (--timeout)",
            applied="unknown",
        )
    if isinstance(job.outcome, Exception) and not isinstance(job.outcome, SldbError):
        raise job.outcome
    return job.outcome  # type: ignore[return-value]  # it is over, and so has one


class Clients:
    """As many clients as are needed at once, each used again."""

    def __init__(self, open_client: Callable[[], Client]) -> None:
        self._open = open_client
        self._idle: list[Client] = []

    def execute(self, database: str, request: Request) -> Reply:
        client = self._idle.pop() if self._idle else self._open()
        try:
            return replace(client, database=database).execute(request)
        finally:
            self._idle.append(client)

    def close(self) -> None:
        """Those that nobody uses."""
        while self._idle:
            self._idle.pop().close()
