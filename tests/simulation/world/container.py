"""One container: a host whose clock, chance and threads are simulated, and which can be frozen or killed at any call.

The product's own code runs in it (a Service, or the scheduled function). Its calls to the store, to EC2 and to the
clock pass through here: `meet` decides the fate of a call, `go` is its way there, `come_back` the answer's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambda_handlers.host import Call, Host
from lambda_handlers.store_clock import StoreClock
from tests.simulation.checking.ledger import MOST_SKEW_SECONDS
from tests.simulation.histories.history import History
from tests.simulation.world.chance import Chance
from tests.simulation.world.faults import BEFORE, Fault, Faults, Meeting
from tests.simulation.world.scheduler import Crashed, World

LONGEST_FREEZE_SECONDS = 7200.0
SIGNATURE_SECONDS = 900.0


class Container:
    def __init__(self, name: str, world: World, chance: Chance, faults: Faults, history: History) -> None:
        self.name = name
        self.world = world
        self.faults = faults
        self.history = history
        self.is_dead = False
        self.frozen_until = 0.0
        self._stood_still_until = 0.0  # stays when it is thawed
        self.busy_with: Any = None  # a delivery
        self.what_runs: Any = None  # what lives in it; has `close`
        self.store_clock: StoreClock | None = None  # what it knows of the store's, where the history has a wrong one
        self._chance = chance
        self._skew = self._new_skew("at first")
        self._drawn = 0
        self.tasks: list[Any] = []
        self.host = Host(self.now, self.sleep, self.entropy, self.start)

    @property
    def context(self) -> Any:
        """The context of the running task."""
        return self.world.current.context

    def begin_after_reply(self) -> None:
        """Begin with the work after a reply: the container may be killed or frozen before that."""
        meeting = self.meet(self.faults.after_reply, "work after the reply", "")
        if meeting.fault in BEFORE:
            self._suffer(meeting)

    # The host

    def now(self) -> float:
        self.world.check()
        meeting = self.meet(self.faults.at_clock, "clock", "")
        fault = meeting.fault
        if fault is Fault.STEP:
            self._skew = self._new_skew(f"{self.name} {self.world.now}")
        if fault in BEFORE:
            self._suffer(meeting)
        time = self.world.now + self._skew
        if fault is Fault.FREEZE_AFTER:
            self._suffer(meeting)
        return time

    def told_time(self) -> None:
        """Return the Date of an answer, which the container relates to its own clock."""
        if self.store_clock is not None:
            self.store_clock.observe_date(float(int(self.world.now)), self.world.now + self._skew)

    def sleep(self, seconds: float) -> None:
        self.world.check()
        self.world.wait(seconds)

    def entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._chance.bytes(f"{self.name} draws {self._drawn}", count)

    def start(self, function: Callable[[], Any]) -> Call:
        self.world.check()
        delay = 0.001 * self._chance.number(f"start {self.context.next_call()}")
        task = self.world.spawn(function, self, self.context, delay)
        self.tasks.append(task)
        return task

    # Calls

    def meet(self, decide: Callable[..., Meeting], verb: str, key: str, **how: Any) -> Meeting:
        self.world.check()
        meeting = decide(self.context.next_call(), **how)
        if meeting.fault is not Fault.NONE:
            self.history.add(self.context, f"{verb} {key}: {meeting.fault.value}".replace(" :", ":"))
        return meeting

    def go(self, meeting: Meeting) -> bool:
        """Send a call; False if it took so long that its signature is no longer valid."""
        if meeting.fault in BEFORE:
            self._suffer(meeting)
        signed_at = self.world.now
        self.world.wait(meeting.going)
        return self.world.now - signed_at < SIGNATURE_SECONDS

    def come_back(self, meeting: Meeting) -> None:
        if meeting.fault in (Fault.CRASH_AFTER, Fault.FREEZE_AFTER):
            self._suffer(meeting)
        self.world.wait(meeting.coming)

    def _suffer(self, meeting: Meeting) -> None:
        if meeting.fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            self.die()
            raise Crashed
        self.freeze(LONGEST_FREEZE_SECONDS * meeting.size**3)
        self.world.wait(0.0)

    def freeze(self, seconds: float) -> None:
        self.history.add(self, f"is frozen for {seconds:.1f} s")
        self.frozen_until = self._stood_still_until = max(self.frozen_until, self.world.now + seconds)

    def was_frozen_since(self, time: float) -> bool:
        return self._stood_still_until > time

    def die(self) -> None:
        """Die: all of its memory is gone, and its tasks end at once."""
        if self.is_dead:
            return
        self.is_dead = True
        self.history.add(self, "is gone")
        for task in self.tasks:
            if not task.is_done:
                self.world.wake(task)
        self.world.at(self.world.now, self.close)  # once they have ended

    def close(self) -> None:
        """Return its real resources to the machine: files."""
        if not all(task.is_done for task in self.tasks):
            self.world.at(self.world.now, self.close)
        elif self.what_runs is not None:
            if self.is_dead and (after_reply := getattr(self.what_runs, "after_reply", None)):
                after_reply._due.clear()  # the process is gone, and what it has left to do
                after_reply._call = None
            self.what_runs.close()

    def _new_skew(self, name: str) -> float:
        return MOST_SKEW_SECONDS * (2 * self._chance.number(f"skew of {self.name} {name}") - 1)

    def __str__(self) -> str:
        return self.name
