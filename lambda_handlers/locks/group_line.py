"""The line of the writers that wait for one security group: first come, first served, or nearly so.

As in `locks.line` there is no list of them: the group says how long its holder had waited, and the others compare. But
EC2 counts calls, five creates a second of the whole account, and a create that fails costs as much as one that takes
the lock. So only writers whose turn is near try. The others look, by a describe, of which EC2 grants four times as
many; each look comes after a part of the time until their turn.

A writer that has had to wait knows of the line when it comes back: it pauses, then looks. A look that shows no group
proves nothing: the group may be too young, or its successor about to come. After two of them in a row a writer tries.

A number that is wrong (a clock that was set) counts for at most `MAX_WAIT_SECONDS`, and for less with each further
holder. Groups of earlier functions have none, and count as without a wait.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.locks.waiting import spread
from lambda_handlers.shared.lock_holder import Holder

NEAR_SECONDS = 1.0  # two or three commits of others before a writer's turn
FRONT_SECONDS = 0.02  # between its tries then; each takes a quarter of a second
QUICK_TRIES = 6  # at one holder, between two looks; the pauses after them grow
GROWTH = 2.0
HASTE = 4  # the power by which a longer wait than that of the holders shortens the pauses
LEAST_HASTE, MOST_HASTE = 0.25, 10.0
PAUSED_SHARE = 0.7  # of the time until a writer's turn is near
MAX_PAUSE_SECONDS = 4.0  # sixty-four writers then look sixteen times a second
RETURN_SECONDS = 1.0  # at most, the pause of a writer that comes back to a line
AGAIN_SECONDS = 0.1  # after a look that shows no group: a successor is seen next
EMPTY_LOOKS = 2  # in a row, before the lock counts as free
SHORT_SECONDS = 0.5  # a line that is over
FADE = 1.3  # of the waits of earlier holders, with each later one
MAX_WAIT_SECONDS = 900.0


class GroupLine:
    """The place of one writer in the line for one lock. Times are in seconds."""

    def __init__(self, host: Host, retry_seconds: float, known_wait: float = 0.0) -> None:
        """`retry_seconds`: between tries at one holder that stays. `known_wait`: that of this writer for the same lock,
        a moment ago."""
        self._host = host
        self._retry_seconds = retry_seconds
        self._began_at = host.now()
        self._holders_wait = known_wait if known_wait > SHORT_SECONDS else 0.0
        self._is_met = False
        self._holder = ""
        self._tries = 0  # that failed, at this holder
        self._tries_unseen = 0  # since the last look
        self._empty_looks = 0  # in a row

    @property
    def waited(self) -> float:
        """For how long this writer has waited for others; 0 if there are none."""
        if self._is_free:
            return self._holders_wait / 2
        return self._age if self._is_met else 0.0

    @property
    def first_pause(self) -> float:
        """Before the first look of a writer that comes back; 0 for others."""
        return min(RETURN_SECONDS, self.pause) if self._holders_wait else 0.0

    @property
    def is_far(self) -> bool:
        """True if others come first: this writer looks, and does not try."""
        return self._until_near > 0 and not self._is_free

    @property
    def wants_look(self) -> bool:
        """True if the holder may be another one than that seen last."""
        return self._tries_unseen >= QUICK_TRIES

    @property
    def pause(self) -> float:
        """Before the next look or try."""
        if self._empty_looks and self._until_near > 0:
            return spread(self._host, AGAIN_SECONDS)
        growth = GROWTH ** min(20, max(0, self._tries - QUICK_TRIES))
        near = min(self._retry_seconds, FRONT_SECONDS * growth / self._haste)
        return spread(self._host, min(MAX_PAUSE_SECONDS, max(near, PAUSED_SHARE * self._until_near)))

    def add_failed_try(self) -> None:
        """Another writer has the lock."""
        self._is_met = True
        self._tries += 1
        self._tries_unseen += 1
        self._empty_looks = 0

    def add_look(self, holder: Holder | None) -> None:
        """EC2 shows this holder, or none."""
        self._tries_unseen = 0
        if holder is None:
            self._empty_looks += 1
            return
        self._is_met, self._empty_looks = True, 0
        if holder.lock_id != self._holder:
            self._holder, self._tries = holder.lock_id, 0
            waited = min(MAX_WAIT_SECONDS, holder.waited_seconds)
            self._holders_wait = max(waited, self._holders_wait / FADE)

    @property
    def _age(self) -> float:
        return min(MAX_WAIT_SECONDS, max(0.0, self._host.now() - self._began_at))

    @property
    def _until_near(self) -> float:
        return self._holders_wait - NEAR_SECONDS - self._age

    @property
    def _is_free(self) -> bool:
        return self._empty_looks >= EMPTY_LOOKS

    @property
    def _haste(self) -> float:
        if not self._holders_wait:
            return 1.0
        return min(MOST_HASTE, max(LEAST_HASTE, (self._age / self._holders_wait) ** HASTE))
