"""Planted bugs of what makes a state the newest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.after_reply import AfterReply
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.storage import freshness, log_follower
from lambda_handlers.storage.commit_checks import CommitChecks
from lambda_handlers.storage.log_follower import LogFollower
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.publishing import Publisher
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store import lookups
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.plan import AFTER_REPLY, IN_LAMBDA, ON_NFS

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("a copy is current for ever if the next transaction is not there", 100, looks_from=33)
def _() -> list[Patch]:
    def is_fresh(known_at: float, now: float) -> bool:
        return known_at > float("-inf")

    return [patch.object(module, "is_fresh", is_fresh) for module in (freshness, log_follower)]


@bug("a commit asks neither for news nor how old its state is", 1000, looks_from=200)
def _() -> list[Patch]:
    def trust(self: Replica) -> bool:
        self._freshness.is_trusted = self.page_count > 0
        return self.is_trusted

    return [
        patch.object(CommitChecks, "time_to_commit", lambda self: self._host.now()),
        patch.object(Replica, "trust", trust),
    ]


@bug("a copy is trusted for longer than retention waits", 100, looks_from=9, prefix=IN_LAMBDA)
def _() -> list[Patch]:
    return [patch.object(freshness, "RETENTION_FLOOR_SECONDS", 6 * 3600)]


@bug("what a write finds on a trusted copy is not confirmed", 100)
def _() -> list[Patch]:
    return [patch.object(NewestState, "has_news", lambda self, deadline, max_staleness=0.0: False)]


@bug("a copy that stood still follows the head, however old that is", 100)
def _() -> list[Patch]:
    """The heads of writers are lost, so that those of maintenance grow old."""

    def read_head(self: Publisher) -> Any:
        head = real_head(self)
        return head and replace(head, checked_at=self._host.now())

    def follow(self: LogFollower, now: float, deadline: float) -> None:
        has_slept = self._pages.txid and not self._freshness.is_known(now) and not self._pages.must_reopen
        if not (has_slept and self._follow_head(now)):
            real_follow(self, now, deadline)

    real_head, real_follow = Publisher.read_head, LogFollower.follow
    return [
        patch.object(Publisher, "read_head", read_head),
        patch.object(LogFollower, "follow", follow),
        patch.object(Publisher, "_advance", lambda self, txid, known_at: None),
        patch.object(CommitChecks, "check_listed", lambda self: None),
    ]


@bug("a stale read may be as stale as it likes", 100)
def _() -> list[Patch]:
    def refresh(self: Replica, max_staleness: float = 0.0, deadline: float = float("inf")) -> None:
        real(self, 1e9 if max_staleness else 0.0, deadline)

    real = Replica.refresh
    return [patch.object(Replica, "refresh", refresh)]


@bug("pages that others changed stay in the cache", 100, looks_from=28)
def _() -> list[Patch]:
    return [patch.object(PageCache, "drop", lambda self, pgno: None)]


@bug("a name that a client of NFS remembers as absent is not there", 100, prefix=ON_NFS)
def _() -> list[Patch]:
    return [patch.object(lookups, "confirmed", lambda look, refresh: look())]


@bug("a look-up that found nothing is repeated without the directory's being opened", 100, prefix=ON_NFS)
def _() -> list[Patch]:
    def confirmed(look: Any, refresh: Any) -> Any:
        return real(look, lambda: None)

    real = lookups.confirmed
    return [patch.object(lookups, "confirmed", confirmed)]


@bug("work after a reply goes on during the next request", 100, looks_from=80, prefix=AFTER_REPLY)
def _() -> list[Patch]:
    return [
        patch.object(AfterReply, "finish", lambda self: None),
        patch.object(AfterReply, "_do_all", AfterReply._work_off),  # its lock would stop the one thread of the world
        patch.object(Publisher, "finish", _publish_anew),
    ]


def _publish_anew(self: Publisher) -> None:
    """Do not claim the work for the newest commit: it may be done for a copy that has changed since."""
    left = self._left
    if left is not None:
        left()
