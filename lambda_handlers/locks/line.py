"""The line of the writers that wait for one lock: first come, first served, or nearly so.

There is no list of them. The taker of a lock says how long it has waited for it, and the others compare. A writer that
has waited for less has others before it: it pauses for a part of the difference, then looks again. So its looks become
frequent only when its turn is near, and a wait costs few requests, however long it is. If many have waited equally
long, they overtake each other, and each pauses for longer the more often that has happened.

A free lock is left for a moment to those who have waited longer: a writer that has just released it does not take it
again before them. If it is still free then, the line gets shorter, and is over soon. Without a wait none of
this costs a request or a pause.

A number that is wrong (a clock that was set) costs pauses of `MAX_PAUSE_SECONDS`, and nothing else.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.locks.protocol import Sleep
from lambda_handlers.locks.waiting import spread

MAX_PAUSE_SECONDS = 2.0
LEAVE_SECONDS = 0.06  # longer than those at the front pause
FRONT_SHARE, NEAR_SHARE = 0.7, 0.8  # of the last winner's wait: then a writer may take the lock, and looks often
PAUSED_SHARE = 0.6  # of the time until a writer is near
SHORT_SECONDS = 0.1  # a line that is over
QUICK_LOOKS = 6  # at one holder; the pauses after them grow
GROWTH = 1.5


class IsFree(Exception):
    """The lock had to be waited for, and is free now: it is about to be taken."""


class Place:
    """The place of one writer in the line for one lock, and its pauses there. Times are in seconds."""

    def __init__(self, host: Host, sleep: Sleep | None = None, *, tells: bool = False) -> None:
        """`sleep`: instead of the host's. `tells`: raise IsFree once the lock is free after a pause; the same place
        goes on then."""
        self.nonce = host.nonce()  # of the lock, once it is taken
        self._host = host
        self._sleep = sleep or host.sleep
        self._tells = tells
        self._began_at = host.now()
        self._has_met_others = self._has_paused = False
        self._holder = ""
        self._looks = 0  # at this holder
        self._equals = 0  # writers that had waited about as long, and were faster
        self._left: tuple[str, float] | None = None  # the free lock that was left to others: its version, their wait

    def __call__(self, seconds: float) -> None:
        self._has_paused = True
        self._sleep(seconds)

    @property
    def waited(self) -> float:
        """For how long this writer has waited for others; 0 if there are none."""
        if self._left is not None:
            _, others_waited = self._left
            return others_waited / 2 if others_waited > SHORT_SECONDS else 0.0
        return self._age if self._has_met_others else 0.0

    @property
    def _age(self) -> float:
        return max(0.0, self._host.now() - self._began_at)

    def tell_free(self) -> None:
        """Raise IsFree, once after each pause, if that is wanted."""
        if self._tells and self._has_paused:
            self._has_paused = False
            raise IsFree

    def tell_no_more(self) -> None:
        """Have this place raise nothing from now on: its writer may have the lock already, and does not know."""
        self._tells = False

    def leaves(self, version: str, others_waited: float) -> bool:
        """Return True if this version of the free lock is to be left to others, who have waited for so long. They get
        one chance."""
        if self._age >= FRONT_SHARE * others_waited or self.has_left(version):
            return False
        self._left = version, others_waited
        return True

    def has_left(self, version: str | None) -> bool:
        """Return True if this version of the free lock was left to others."""
        return self._left is not None and self._left[0] == version

    def pause_for(self, holder: str, holder_waited: float, first: float, longest: float) -> float:
        """Return the pause before the next look at a lock that another writer has. `first`, `longest`: those of a
        writer whose turn is near."""
        self._left, self._has_met_others = None, True
        if holder == self._holder:
            self._looks += 1
        else:
            self._holder, self._looks = holder, 0
            self._equals += FRONT_SHARE * self._age <= holder_waited <= self._age / FRONT_SHARE
        growth = GROWTH ** min(20, max(0, self._looks - QUICK_LOOKS))
        near = min(longest, first * growth * max(1.0, self._equals / 2))
        until_near = NEAR_SHARE * holder_waited - self._age
        return spread(self._host, min(MAX_PAUSE_SECONDS, max(near, PAUSED_SHARE * until_near)))


def place_of(host: Host, sleep: Sleep | None) -> Place:
    """Return the place of a writer that pauses by `sleep`, which may be one already."""
    return sleep if isinstance(sleep, Place) else Place(host, sleep)
