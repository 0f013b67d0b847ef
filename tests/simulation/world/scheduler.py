"""The scheduler: simulated time and the order of tasks. One operating-system thread, one greenlet a task, and a heap of
wake-up times.

Nothing runs at the same time as anything else. A task runs until it waits; then the task or plan with the earliest time
continues. All waiting is simulated, so that a night passes in no time. Greenlets can be switched inside SQLite's
callbacks, because each keeps its own C stack.

SQLite has one random generator in a process, so that no other statement may run within a pinned one
(`lambda_handlers/sql/chance.py`). Until its end only the tasks of its container continue (`WorldTurns`). Containers are
processes of their own in truth, so nobody waits for it: time goes back to its beginning then, and its task waits for as
long as it took, while the others catch up.

A task may belong to a container. While that is frozen none of its tasks continue; when it dies they all end in
`Crashed`, which no code of the product catches for good.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from lambda_handlers.storage.time_limit import TimeLimit

START = 1_800_000_000.0  # unix seconds


class Crashed(BaseException):
    """The container is gone: its tasks end here."""


class Owner(Protocol):
    """The possible owner of a task."""

    is_dead: bool
    frozen_until: float


class Task:
    def __init__(self, world: World, run: Callable[[], Any], owner: Owner | None, context: Any) -> None:
        self.owner = owner
        self.context = context  # what it runs for; inherited by the tasks that it starts
        self.is_done = False
        self.alarm = 0  # the wake-up call that counts; older ones are out of date
        self._world = world
        self._run = run
        self._value: Any = None
        self._error: BaseException | None = None
        self._waiting: list[Task] = []
        self.greenlet = greenlet(self._begin, world.hub)

    def _begin(self) -> None:
        try:
            self._world.check()
            self._value = self._run()
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error
        self.is_done = True
        for task in self._waiting:
            self._world.wake(task)

    def tell(self, task: Task) -> None:
        """Wake a task when this one is done."""
        self._waiting.append(task)

    def result(self) -> Any:
        """Wait for it, and return its result or raise its exception."""
        while not self.is_done:
            self._world.check()
            self.tell(self._world.current)
            self._world.pause()
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, seconds: float) -> bool:
        """Wait for it, so long at most; return True if it is over."""
        ends_at = self._world.now + seconds
        while not self.is_done and self._world.now < ends_at:
            self._world.check()
            self.tell(self._world.current)
            self._world.wait(ends_at - self._world.now)
            if self._world.current in self._waiting:
                self._waiting.remove(self._world.current)
        return self.is_done


class World:
    def __init__(self) -> None:
        self.now = START
        self.hub = getcurrent()
        self._current: Task | None = None
        self._alone: Owner | None = None  # no task of another owner continues
        self._alone_since = 0.0
        self._heap: list[tuple[float, int, Task | Callable[[], object], int]] = []
        self._order = count()

    @property
    def current(self) -> Task:
        assert self._current is not None, "only a task can wait"
        return self._current

    def at(self, time: float, plan: Callable[[], object]) -> None:
        """Run `plan`, which does not wait, at that time."""
        heapq.heappush(self._heap, (time, next(self._order), plan, 0))

    def spawn(
        self, run: Callable[[], Any], owner: Owner | None = None, context: Any = None, delay: float = 0.0
    ) -> Task:
        task = Task(self, run, owner, context)
        self.wake(task, delay)
        return task

    def wake(self, task: Task, delay: float = 0.0) -> None:
        task.alarm += 1
        heapq.heappush(self._heap, (self.now + delay, next(self._order), task, task.alarm))

    def wait(self, seconds: float) -> None:
        """Let the others run for so long."""
        self.wake(self.current, seconds)
        self.pause()

    def pause(self) -> None:
        """Let the others run until this task is woken."""
        self.hub.switch()
        self.check()

    def check(self) -> None:
        """Raise Crashed in a task of a dead container."""
        owner = self.current.owner
        if owner is not None and owner.is_dead:
            raise Crashed

    def run(self) -> None:
        """Run until no task has anything left to do."""
        while self._heap:
            time, _, what, alarm = self._next()
            if not isinstance(what, Task):
                self.now = max(self.now, time)
                what()
            elif not what.is_done and alarm == what.alarm:
                self._go_on(what, time, alarm)

    def begin_alone(self) -> None:
        """Let only the tasks of this owner continue until `end_alone`."""
        self._alone, self._alone_since = self.current.owner, self.now

    def end_alone(self) -> None:
        took, self.now = self.now - self._alone_since, self._alone_since
        self._alone = None
        if took:
            self.wait(took)

    def _next(self) -> tuple[float, int, Task | Callable[[], object], int]:
        if self._alone is not None:
            own = [entry for entry in self._heap if isinstance(entry[2], Task) and entry[2].owner is self._alone]
            found = min(own)
            self._heap.remove(found)
            heapq.heapify(self._heap)
            return found
        return heapq.heappop(self._heap)

    def _go_on(self, task: Task, time: float, alarm: int) -> None:
        owner = task.owner
        if owner is not None and owner.frozen_until > time and not owner.is_dead and self._alone is None:
            heapq.heappush(self._heap, (owner.frozen_until, next(self._order), task, alarm))
            return
        self.now = max(self.now, time)
        self._current = task
        task.greenlet.switch()
        self._current = None


class WorldTurns:
    """The turns of statements: a pinned one is not interrupted, others are at every wait."""

    def __init__(self, world: World) -> None:
        self._world = world

    def begin(self, alone: bool, limit: TimeLimit) -> None:
        if alone:
            self._world.begin_alone()

    def end(self, alone: bool) -> None:
        if alone:
            self._world.end_alone()
