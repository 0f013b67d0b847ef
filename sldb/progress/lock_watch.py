"""The lock of a database, as a client looks at it while its own request runs: it tells for whom a write waits.

A lock that is older than the request belongs to another writer, and the request waits for it. A younger one may be its
own: then nothing is shown. A look needs rights that a user may not have; the first refusal ends the watch in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.wire import Action, Request, SldbError
from sldb.write_outcome import may_write

FIRST_SECONDS = 2.0  # most requests are over by then
PAUSE_SECONDS = 3.0  # between two looks
_MARGIN_SECONDS = 1.0  # the clocks of AWS's answers have whole seconds
_WRITING_ACTIONS = (
    "restore",
    "undo",
    "redo",
    "branch",
    "create_database",
    "set_database",
    "drop_database",
    "rename_database",
    "push_commit",
)


@dataclass(frozen=True, slots=True)
class SeenLock:
    """A lock that is taken, at the moment of the look."""

    holder: Holder
    age_seconds: float | None  # by the clock of the place of the lock, as far as possible
    is_of_another: bool = False  # certainly; else its age has to show it


Look: TypeAlias = "Callable[[str], SeenLock | None]"  # at the lock of a database; raises SldbError


@dataclass(slots=True)
class Wait:
    """The wait of one request, for the thread that draws."""

    for_what: str = ""  # "INSERT users"; empty: it does not wait, as far as is known
    since: float = 0.0  # by the clock of `watch`

    def text(self, now: float) -> str:
        """Return "waiting for the lock: INSERT users, 12 s", or nothing."""
        return f"waiting for the lock: {self.for_what}, {now - self.since:.0f} s" if self.for_what else ""


def watch(
    sent: Request | Action, look: Look, wait: Wait, is_over: Callable[[float], bool], now: Callable[[], float]
) -> None:
    """Keep `wait` true until the request is over. `is_over` pauses for so many seconds, or until then."""
    began_at = now()
    if is_over(FIRST_SECONDS) or not _takes_lock(sent):
        return
    while True:
        try:
            seen = look(sent.database)
        except SldbError:
            wait.for_what = ""
            return
        _note(wait, seen, now() - began_at, now())
        if is_over(PAUSE_SECONDS):
            return


def _takes_lock(sent: Request | Action) -> bool:
    return sent.name in _WRITING_ACTIONS if isinstance(sent, Action) else may_write(sent)


def _note(wait: Wait, seen: SeenLock | None, running_seconds: float, now: float) -> None:
    if seen is None or seen.age_seconds is None or not _is_of_another(seen, running_seconds):
        wait.for_what = ""
        return
    wait.since = now - seen.age_seconds
    wait.for_what = seen.holder.doing or "another writer"


def _is_of_another(seen: SeenLock, running_seconds: float) -> bool:
    assert seen.age_seconds is not None
    return seen.is_of_another or seen.age_seconds >= running_seconds + _MARGIN_SECONDS
