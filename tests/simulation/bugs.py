"""Planted bugs: each disables one rule of the product's code for a while. A checker that does not find them proves
nothing.

They live here, and are patched in from outside; the product has no switch for them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from lambda_handlers import service
from lambda_handlers.actions import clone, replace_content
from lambda_handlers.actions.noted_state import Noted
from lambda_handlers.actions.past import undo as undo_action
from lambda_handlers.after_reply import AfterReply
from lambda_handlers.aws.ec2 import Ec2Error
from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.database.attached_databases import AttachedDatabases
from lambda_handlers.database.errors import changed_result
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.database.transaction import commit as interactive_commit
from lambda_handlers.database.transaction.commit import Commit
from lambda_handlers.database.transaction.shown_results import run_again
from lambda_handlers.database.transaction.warm_sessions import WarmSession
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.shared.lock_holder import Holder, group_name, lock_key
from lambda_handlers.sql import pin
from lambda_handlers.sql.own import notes, request_log
from lambda_handlers.storage import commit, freshness, log_follower, replica, verification
from lambda_handlers.storage.commit import Ours, PageChanges
from lambda_handlers.storage.commit_checks import CommitChecks
from lambda_handlers.storage.draft import Draft
from lambda_handlers.storage.log import steps, timeline
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder, decode_frames
from lambda_handlers.storage.log_follower import LogFollower
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.publishing import Publisher
from lambda_handlers.storage.replica import Conflict, Replica
from lambda_handlers.storage.upkeep import merge, retention
from lambda_handlers.storage.upkeep.merge import Merge
from lambda_handlers.storage.upkeep.removal import Removal
from lambda_handlers.storage.verification import Verified
from lambda_handlers.store import lookups
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import AlreadyExists, StoreError, Unavailable
from lambda_handlers.wire import SldbError
from lambda_handlers.wire.digest import DIGEST_BYTES, ResultDigest
from lambda_handlers.wire.pin import Pin
from tests.simulation.histories.plan import AFTER_REPLY, ON_NFS
from tests.simulation.histories.steps import SEEDS as STEP_SEEDS
from tests.simulation.histories.transactions import SEEDS

Patch = Any  # a context manager of unittest.mock


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    within: int  # seeds that find it
    patches: Callable[[], list[Patch]]
    looks_from: int  # seeds below this are known not to; only time is saved
    prefix: str = ""  # of the seeds: see `histories.transactions`

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for one in self.patches():
                stack.enter_context(one)
            yield


BUGS: list[Bug] = []


def bug(name: str, within: int, looks_from: int = 0, prefix: str = "") -> Callable[[Callable[[], list[Patch]]], None]:
    def add(patches: Callable[[], list[Patch]]) -> None:
        BUGS.append(Bug(name, within, patches, looks_from, prefix))

    return add


# Committing


@bug("a transaction is put, not created", 100)
def _() -> list[Patch]:
    def create(self: MeteredStore, key: str, body: bytes) -> str:
        return self._store.put(key, body)

    return [patch.object(MeteredStore, "create", create)]


@bug("what is at the key counts as one's own", 100)
def _() -> list[Patch]:
    return [patch.object(commit, "_is_mine", lambda store, key, node_id, doubt: isinstance(doubt, AlreadyExists))]


@bug("what is at the key counts as another's", 1000, looks_from=240)
def _() -> list[Patch]:
    def is_mine(store: Any, key: str, node_id: int, doubt: StoreError) -> bool:
        if isinstance(doubt, AlreadyExists):
            raise Conflict(key)
        return bool(real(store, key, node_id, doubt))

    real = commit._is_mine
    return [patch.object(commit, "_is_mine", is_mine)]


def _when_unanswered(instead: Callable[[Unavailable], None]) -> list[Patch]:
    def create_transaction(store: Any, key: str, node_id: int, send: Callable[[], object]) -> None:
        def send_once() -> None:
            try:
                send()
            except Unavailable as error:
                instead(error)

        real(store, key, node_id, send_once)

    real = commit.create_transaction
    return [patch.object(replica, "create_transaction", create_transaction)]


@bug("no answer to the create counts as failure", 100)
def _() -> list[Patch]:
    def fail(error: Unavailable) -> None:
        raise store_error(error, applied="no")

    return _when_unanswered(fail)


@bug("no answer to the create counts as success", 100)
def _() -> list[Patch]:
    return _when_unanswered(lambda error: None)


@bug("the loser of a race commits its pages above the winner's", 100)
def _() -> list[Patch]:
    def create(self: Replica, ours: Ours, send: Callable[[], object], now: float) -> None:
        try:
            real_create(self, ours, send, now)
        except Conflict:
            self._pages.txid += 1
            raise _Rebase from None

    def commit_again(self: Replica, *given: Any, **named: Any) -> int:
        while True:
            try:
                return real_commit(self, *given, **named)
            except _Rebase:
                self._freshness.checked_at = self._host.now()

    real_create, real_commit = Replica._create, Replica.commit
    return [patch.object(Replica, "_create", create), patch.object(Replica, "commit", commit_again)]


class _Rebase(Exception):
    pass


@bug("the pages of a lost race stay in the cache", 100)
def _() -> list[Patch]:
    def commit_eagerly(self: Replica, changes: PageChanges, *more: Any, **named: Any) -> int:
        for pgno, page in changes.pages():
            self._pages.put(pgno, page)
        return real(self, changes, *more, **named)

    real = Replica.commit
    return [patch.object(Replica, "commit", commit_eagerly)]


@bug("the draft of a lost race is not cleared", 100)
def _() -> list[Patch]:
    real_clear = Draft.clear

    def replica_commit(self: Replica, *given: Any, **named: Any) -> int:
        txid = real_replica_commit(self, *given, **named)
        _committed.add(id(self))
        return txid

    _committed: set[int] = set()
    real_replica_commit = Replica.commit

    def clear_after_commit(self: Draft) -> None:
        if not hasattr(self, "page_count") or not len(self._dirty) or id(self.replica) in _committed:
            _committed.discard(id(self.replica))
            real_clear(self)

    return [patch.object(Draft, "clear", clear_after_commit), patch.object(Replica, "commit", replica_commit)]


# What is read back


@bug("a read-back that shows nothing counts as another's", 200, looks_from=60)
def _() -> list[Patch]:
    def whose(body: bytes, key: str, ours: Header) -> Any:
        found = real(body, key, ours)
        return commit._Whose.ANOTHERS if found is commit._Whose.UNCLEAR else found

    real = commit._whose_whole
    return [patch.object(commit, "_whose_whole", whose)]


@bug("a read-back that is damaged is an error, and nothing was applied", 200, looks_from=60)
def _() -> list[Patch]:
    def unclear(key: str, is_damaged: bool) -> SldbError:
        return SldbError("corrupt", f"{key}: it is damaged", key=key, applied="no")

    return [patch.object(commit, "READINGS", 1), patch.object(commit, "_unclear", unclear)]


@bug("a create that is refused was not applied", 500, looks_from=300)
def _() -> list[Patch]:
    return [patch.object(commit, "_is_mine_although_refused", lambda store, key, ours, refusal: False)]


# Copies of databases


@bug("a copy is put as it came", 500, looks_from=200)
def _() -> list[Patch]:
    def read(store: Any, database: str, name: LtxName, size: int, tick: Any, keeps_body: bool) -> Verified:
        body = store.get(name.key(database))
        return replace(verification.of_body(name, Header.decode(body, str(name)), body), size=size)

    return [patch.object(verification, "_read", read)]


@bug("a file whose checksum fails is believed", 100)
def _() -> list[Patch]:
    return [patch.object(Decoder, "_check_end", lambda self: self._source.rest() and None)]


@bug("a name without a first transaction is free", 1000, looks_from=620)
def _() -> list[Patch]:
    def copy(context: Any, listing: Any, target: str, txid: int, verified: Any) -> Any:
        there = clone.list_files(context.store, target)
        found = verified.verify(listing, listing.chain_to(txid))
        made = clone._Clone(context, verified, there, listing.database, [found[n] for n in listing.chain_to(txid)])
        with patch.object(made, "_check_free", lambda: None):
            return made.run()

    return [patch.object(clone, "_copy", copy)]


@bug("the base of a copy comes first", 500)
def _() -> list[Patch]:
    def run(self: Any) -> Any:
        self._copy(self._base)
        return real(self)

    real = clone._Clone.run
    return [patch.object(clone._Clone, "run", run)]


@bug("a page is believed whatever its checksum", 1000, looks_from=490)
def _() -> list[Patch]:
    def frames(self: PageMap, data: bytes, first: int, last: int, key: str) -> Any:
        return decode_frames(data, self.page_size, key)

    return [patch.object(PageMap, "frames", frames)]


# Being current


@bug("a copy is current for ever if the next transaction is not there", 100, looks_from=30)
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


# Once


@bug("requests are not recorded", 100)
def _() -> list[Patch]:
    return [patch.object(request_log, "record", lambda connection, request_id, times, entry: None)]


@bug("requests are looked up before the lock only", 100)
def _() -> list[Patch]:
    def find(self: AppliedRequests, session: Any, copy: Any, request_id: str) -> Any:
        return None if session.may_write else real(self, session, copy, request_id)

    real = AppliedRequests.find
    return [patch.object(AppliedRequests, "find", find)]


@bug("if_txid is not compared", 100)
def _() -> list[Patch]:
    return [patch.object(NewestState, "check_txid", lambda self, if_txid: None)]


# Compaction and retention


@bug("a merge takes the older page", 100)
def _() -> list[Patch]:
    def sources(decoders: Any) -> Any:
        return [replace(source, age=-source.age) for source in real(decoders)]

    real = merge._sources
    return [patch.object(merge, "_sources", sources)]


@bug("a snapshot lacks the last transaction", 100)
def _() -> list[Patch]:
    def init(self: Merge, store: Any, database: str, names: Any, target: Any, node_id: int) -> None:
        real(self, store, database, names[:-1] if target.level == 9 else names, target, node_id)

    real = Merge.__init__
    return [patch.object(Merge, "__init__", init)]


@bug("retention knows no floor", 100)
def _() -> list[Patch]:
    return [patch.object(retention, "FLOOR_SECONDS", 0)]


@bug("retention knows no period", 100)
def _() -> list[Patch]:
    def needed_base(written_at: Any, now: float, retention_seconds: float) -> Any:
        return real(written_at, now + 1e6, 0.0)

    real = retention.needed_base
    return [patch.object(retention, "needed_base", needed_base)]


@bug("retention tells the time by a clock that is wrong by an hour", 100)
def _() -> list[Patch]:
    def check_clocks(self: Removal) -> None:
        self._now += 3600

    return [patch.object(Removal, "_check_clocks", check_clocks)]


# Locks and time


@bug("a lock is released by its name", 200, looks_from=150)
def _() -> list[Patch]:
    def release_group(self: SecurityGroupLock, lock_id: str, name: str) -> bool:
        found = self._describe({"group-name": group_name(self.stack, name)})
        with suppress(Ec2Error):
            for group in found:
                self.ec2.delete_security_group(group.group_id)
        return bool(found)

    def release_object(self: ObjectLock, lock_id: str, name: str) -> bool:
        with suppress(StoreError):
            seen = self._read(name)
            return seen.holder is not None and self._free(name, seen.holder.lock_id, seen.etag)
        return False

    return [
        patch.object(SecurityGroupLock, "release", release_group),
        patch.object(ObjectLock, "release", release_object),
    ]


@bug("a sweep deletes the object of any lock", 100)
def _() -> list[Patch]:
    def free_old(self: ObjectLock, database: str) -> None:
        seen = self._read(database)
        if seen.etag is not None:
            with suppress(StoreError):
                self._store.delete_version(lock_key(database), seen.etag)

    return [
        patch.object(ObjectLock, "_is_old", lambda self, written_at: True),
        patch.object(ObjectLock, "_free_old", free_old),
    ]


@bug("whoever waits frees the lock whatever its age", 100)
def _() -> list[Patch]:
    return [patch.object(Holder, "is_expired", lambda self, now, max_age_seconds: True)]


@bug("a request has no deadline", 200, looks_from=100)
def _() -> list[Patch]:
    return [patch.object(service, "seconds_for", lambda request, remaining: 10_000.0)]


# Clocks that step


@bug("a moment is found by halves, as if times ascended", 300)
def _() -> list[Patch]:
    def number_at(self: Any, moment_ms: int) -> int:
        self._read(range(len(self._files)))
        return bisect_right(range(len(self._files)), moment_ms, key=lambda number: self._times[number]) - 1

    return [patch.object(timeline._Search, "_number_at", number_at)]


@bug("what comes after a clock that was ahead has its time", 100)
def _() -> list[Patch]:
    def next_time_ms(self: Replica, now: float) -> int:
        return max(int(now * 1000), self.timestamp_ms)

    return [patch.object(Replica, "next_time_ms", next_time_ms)]


@bug("a time goes back without what is recorded", 300)
def _() -> list[Patch]:
    return [patch.object(request_log, "take_back", lambda connection, times: None)]


# Interactive transactions


@bug("what a transaction was shown is not compared", 20, prefix=SEEDS)
def _() -> list[Patch]:
    def run_only(session: Any, statements: Any, where: str) -> None:
        for _ in run_again(session, statements):
            pass

    return [patch.object(interactive_commit, "check_shown", run_only)]


@bug("errors that a transaction was shown are not compared", 100, prefix=SEEDS)
def _() -> list[Patch]:
    def check_results(session: Any, statements: Any, where: str) -> None:
        for position, result in run_again(session, statements):
            shown = statements[position].digest.hex()
            if result.error is None and shown not in (failed, result.digest):
                raise changed_result(statements[position].sql, position, result, where)

    failed = "00" * DIGEST_BYTES
    return [
        patch.object(interactive_commit, "check_shown", check_results),
        patch.object(ResultDigest, "of_error", staticmethod(lambda error: failed)),
    ]


@bug("statements of a transaction share their chance", 20, prefix=SEEDS)
def _() -> list[Patch]:
    def seed(given: Pin, index: int) -> None:
        real(given, min(index, 0))

    real = pin.seed
    return [patch.object(pin, "seed", seed)]


@bug("attached databases stay as they were when a transaction is committed", 100, prefix=SEEDS)
def _() -> list[Patch]:
    def attempt(self: Commit, run: Any, transaction: Any, steps: Any) -> Any:
        def attached(find: Any, by: Any, staleness: float, views: Any, deadline: Any, moments: Any) -> Any:
            others = {name: txid for name, txid in transaction.attached.items() if name != transaction.database}
            return AttachedDatabases(find, by, staleness, views, deadline, others)

        with patch.object(interactive_commit, "AttachedDatabases", attached):
            return real(self, run, transaction, steps)

    real = Commit._attempt
    return [patch.object(Commit, "_attempt", attempt)]


@bug("a transaction attaches its own database as it was when it began", 100, prefix=SEEDS)
def _() -> list[Patch]:
    def attempt(self: Commit, run: Any, transaction: Any, steps: Any) -> Any:
        def attached(find: Any, by: Any, staleness: float, views: Any, deadline: Any, moments: Any) -> Any:
            return AttachedDatabases(find, by, staleness, {}, deadline, {name: transaction.base})

        name = transaction.database
        with patch.object(interactive_commit, "AttachedDatabases", attached):
            return real(self, run, transaction, steps)

    real = Commit._attempt
    return [patch.object(Commit, "_attempt", attempt)]


@bug("a token is committed as often as it comes", 20, prefix=SEEDS)
def _() -> list[Patch]:
    return [patch.object(AppliedRequests, "find_transaction", lambda self, session, copy, attempt: None)]


@bug("an open session stays when its copy moves on", 200, looks_from=95, prefix=SEEDS)
def _() -> list[Patch]:
    return [patch.object(WarmSession, "is_outdated", property(lambda self: False))]


# Undo and notes


@bug("an undo after an undo takes that back", 20, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    def undo(read: steps.Read, newest: int, count: int) -> steps.Plan:
        with patch.object(steps, "is_move", lambda header: False):
            return real(read, newest, count)

    real = steps.undo
    return [patch.dict(undo_action._PLANS, {Kind.UNDO: undo})]


@bug("an undo takes back what was written meanwhile", 100, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    return [patch.object(undo_action, "check_newest", lambda current, base: None)]


@bug("a note has the number of the transaction before", 20, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    real = notes.record
    return [patch.object(notes, "record", lambda connection, txid, note: real(connection, txid - 1, note))]


@bug("a restore forgets its note", 20, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    return [patch.object(replace_content, "with_note", lambda context, past, note, txid: Noted({}, past.page_count))]
