"""A run: the options one after the other on one stack, and the taking down of all, in any case.

Ctrl-C, SIGTERM and SIGHUP end the options; the taking down then goes on, and ignores them. Only a killed process
(SIGKILL) or a machine that stops leaves the stack: its name was said before anything was made, and
`python -m live --clean NAME` takes it down.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from live import figures, leftovers
from live.figures import Sample
from live.plan import Check, Failed, Option, Skipped
from live.stage import Stage, reason, say
from sldb.stack.account import Account
from sldb.stack.cloudformation import Stack

CONFIRMED, REFUTED, SKIPPED = "confirmed", "refuted", "skipped"
TRIES = 3  # to take the stack down
SETTLE_SECONDS = 1800.0  # for an operation that was under way; AWS's own limits are longer, and rare
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(slots=True)
class Outcome:
    """The findings of a run."""

    scenarios: dict[str, str] = field(default_factory=dict)  # option → "" if it worked, else the reason
    checks: dict[str, tuple[str, str]] = field(default_factory=dict)  # claim → outcome and observation
    samples: list[Sample] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # what could not be deleted
    pending: list[str] = field(default_factory=list)  # what is deleted at a date
    is_interrupted: bool = False

    @property
    def is_good(self) -> bool:
        is_refuted = any(outcome == REFUTED for outcome, _ in self.checks.values())
        return not (any(self.scenarios.values()) or is_refuted or self.left or self.is_interrupted)


@dataclass(frozen=True, slots=True)
class Run:
    stage: Stage
    options: Sequence[Option]
    claims: Mapping[str, str]  # all ids → the reason for which the check is skipped if no option has it
    count: int  # of measured requests
    begins: Callable[[str], None] = lambda _step: None  # called with the name of each step: tests stop the run there


def perform(run: Run) -> Outcome:
    """Run the options and take all down. Errors of the stack are in the outcome."""
    outcome = Outcome()
    try:
        with _interruptible():
            for before, option in zip((None, *run.options), run.options, strict=False):
                _option(run, before, option, outcome)
    except KeyboardInterrupt:
        outcome.is_interrupted = True
        say("interrupted")
    finally:
        with _ignoring_signals():
            run.stage.close()
            outcome.left = take_down(run.stage, run.begins)
            outcome.pending = look(run.stage, leftovers.pending)
    for claim, why in run.claims.items():
        outcome.checks.setdefault(claim, (SKIPPED, why or "its option did not get that far"))
    return outcome


def settle(stage: Stage) -> None:
    """Wait until no operation on the stack is under way: CloudFormation refuses to delete it during an update."""
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        state = Stack(stage.account.cloudformation, stage.name).describe()
        if state is None or not state.status.endswith("_IN_PROGRESS") or state.status == "REVIEW_IN_PROGRESS":
            return
        time.sleep(0.05 if stage.is_emulated else 5)


def take_down(stage: Stage, begins: Callable[[str], None] = lambda _step: None) -> list[str]:
    """Delete the stack, its data and its bundles, and return the names of the rest. Raises nothing."""
    begins("destroy")
    for number in range(TRIES):
        say(f"taking down {stage.name}" + (f", try {number + 1}" if number else "") + " …")
        try:
            settle(stage)
            stage.sldb("destroy", "--delete-data", "--yes", status=None)
            if not any(leftovers.FINDERS["stack"](stage.account, stage.name)):
                leftovers.remove_loose(stage.account, stage.name)
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - whatever it is, the next try comes
            say(f"  {reason(error)}")
        left = look(stage, leftovers.find)
        if not left:
            return []
        say(f"  left: {', '.join(left)}")
    return left


def look(stage: Stage, find: Callable[[Account, str], list[str]]) -> list[str]:
    """Return what is found of a run, or the reason why it is unknown."""
    try:
        return find(stage.account, stage.name)
    except Exception as error:  # noqa: BLE001 - of any service: it is said, and counts as a leftover
        return [f"unknown: {reason(error)}"]


def _option(run: Run, before: Option | None, option: Option, outcome: Outcome) -> None:
    stage = run.stage
    is_there = before is not None and not outcome.scenarios[before.name] and option.is_deployed_with(before)
    try:
        for step, do in _steps(run, option, outcome, is_there=is_there):
            say(f"{option.name}: {step} …")
            run.begins(f"{option.name}: {step}")
            do()
    except Exception as error:  # noqa: BLE001 - the other options are run all the same
        outcome.scenarios[option.name] = reason(error)
        say(f"  {outcome.scenarios[option.name]}")
    else:
        outcome.scenarios[option.name] = ""
    stage.restart()


def _steps(run: Run, option: Option, outcome: Outcome, *, is_there: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    stage = run.stage
    if option.is_new:
        yield "take down the stack before", partial(_begin_anew, stage)
    if not is_there:
        yield "deploy", partial(_deploy, stage, option)
    if option.lock:  # before it is used: the first write is cold
        yield "measure", partial(_measure, run, option.lock, outcome)
    yield "use", lambda: option.scenario(stage)
    for claim, check in option.checks.items():
        yield f"check {claim}", partial(_check, stage, claim, check, outcome)


def _deploy(stage: Stage, option: Option) -> None:
    more = option.prepare(stage) if option.prepare else ()
    stage.sldb("deploy", "--yes", *option.arguments, *more)


def _begin_anew(stage: Stage) -> None:
    """Take down the stack, if there is one. Raises Failed."""
    settle(stage)
    if any(leftovers.FINDERS["stack"](stage.account, stage.name)):
        stage.sldb("destroy", "--delete-data", "--yes")
        leftovers.remove_loose(stage.account, stage.name)
    stage.restart()


def _measure(run: Run, lock: str, outcome: Outcome) -> None:
    outcome.samples += figures.measure(run.stage, lock, run.count)


def _check(stage: Stage, claim: str, check: Check, outcome: Outcome) -> None:
    try:
        outcome.checks[claim] = CONFIRMED, check(stage)
    except Skipped as skipped:
        outcome.checks[claim] = SKIPPED, str(skipped)
    except Failed as failed:
        outcome.checks[claim] = REFUTED, str(failed)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for each signal to end."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt):
        yield


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    def refuse(_number: int, _frame: FrameType | None) -> None:
        say("the stack is being taken down; this goes on")

    with _handled(refuse):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)
