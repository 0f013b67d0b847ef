"""The log follower: it brings the local pages to the newest transaction of the log, or to a past one.

A warm copy requests its next transaction, and applies the ones that it finds, one by one. A cold copy, or one far
behind, reads the head, which names the files of the chain; without a head to rely on it lists the database. Every way
ends with a request for the next transaction, since neither head nor LIST proves that there is none.

Writers may be faster than the reader. It follows them up to a transaction that did not exist at some moment after its
beginning, and not without end: every transaction from before that moment is an older one.

Rule 5 of `replica` lives here: the absence of the next transaction counts only if the copy is fresh (`freshness`), and
its age is compared again after the response. If the process was paused between request and response, the response
proves nothing. The pages of the files are `local_pages`, the choice of the files from names is `log.chain`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.storage.freshness import is_fresh
from lambda_handlers.storage.local_pages import LocalPages
from lambda_handlers.storage.log import chain, ltx
from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL, LtxName, database_prefix, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.not_mapped import NotMapped
from lambda_handlers.storage.probes import PROBE_BYTES, PROBES_AT_ONCE, Probes
from lambda_handlers.storage.publishing import HEAD_EVERY, Publisher
from lambda_handlers.store.protocol import NotFound, ObjectStore
from lambda_handlers.store_clock import StoreClock
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from lambda_handlers.storage.log_lists import LogLists

PROBES_BEFORE_CATCHING_UP = PROBES_AT_ONCE - 1  # a copy further behind reads fewer files by way of the head
PROBES_BESIDE_HEAD = HEAD_EVERY  # with the files of a head, of any age: after so many transactions there is another one
MAX_EXPECTED = HEAD_EVERY + 2  # if more transactions are expected, the head has most of them
EMPTY_LISTS = 3  # before a database counts as absent


class LogFollower:
    """Follows the log of one database for one copy. The times of the checks are in the copy (`freshness`)."""

    def __init__(
        self, store: ObjectStore, host: Host, clock: StoreClock, pages: LocalPages, publisher: Publisher
    ) -> None:
        self.database = pages.database
        self._store = store
        self._host = host
        self._clock = clock
        self._pages = pages
        self._publisher = publisher  # it reads the head, and remembers it for the next one that it puts
        self._freshness = pages.freshness
        self._probes = Probes(store, host, pages.database)
        self._deadline = float("inf")  # unix seconds, of the request that the log is followed for
        self._looked_at = float("inf")  # unix seconds, lately
        self._news_a_second = 0.0  # transactions that came before that

    # To the newest transaction

    def follow(self, now: float, deadline: float, has_news: bool = False) -> None:
        """Bring the copy to the newest transaction; `now`, `deadline`: unix seconds. `has_news`: other writers have
        committed. Raises StoreError, SldbError, or NotMapped for a file too large to read until the deadline."""
        self._deadline = deadline
        before = self._pages.txid
        seconds = max(0.0, now - self._looked_at)
        try:
            self._follow(now, 2 + int(self._news_a_second * seconds) if has_news else 1)
        finally:
            self._probes.settle()
        self._looked_at = now
        if before and seconds:
            self._news_a_second += ((self._pages.txid - before) / seconds - self._news_a_second) / 2

    def _follow(self, now: float, expected: int) -> None:
        """Do so; request as many transactions first as are expected, the one that is not there among them."""
        if self._pages.wants_reopening:
            self._reopen()
        # An empty name may have become a copy of another database: its files begin at any transaction.
        if self._pages.txid and self._freshness.is_known(now) and self._probe(expected):
            return
        has_slept = self._pages.txid and not self._is_believable()
        if not has_slept and self._follow_head(now):
            return
        try:
            self._follow_list(None)
        except NotFound:  # removed since the LIST: the next one shows what replaced it
            self._follow_list(None)
        self._freshness.known_at, self._freshness.is_listed = now, True

    def open_at(self, txid: Txid, deadline: float) -> Txid:
        """Bring an empty copy to transaction `txid`, or as far as the files lead. Returns the newest transaction in the
        LIST; raises as `follow` does."""
        self._deadline = deadline
        return self._follow_list(txid)

    def _is_believable(self) -> bool:
        """Return True if "no such transaction", just received, means that there was none. After a pause during the
        request it may be about a transaction that came and was removed."""
        return self._freshness.is_known(self._host.now())

    def _probe(self, step: int = 1) -> bool:
        """Follow the log transaction by transaction, requesting twice as many each time. Returns False if the copy is
        too far behind for it, or was paused. `step`: how many to request first."""
        requested, at_once = 0, step
        while step <= MAX_EXPECTED and requested <= PROBES_BEFORE_CATCHING_UP:
            for call in [self._probes.request(self._pages.txid + number) for number in range(1, at_once + 1)]:
                body = call.result()
                if body is None or not self._is_believable():
                    return body is None and self._is_believable()
                self._apply_body(body)
            requested += at_once
            at_once = min(max(step, requested), PROBES_AT_ONCE)
        return False

    def _apply_body(self, body: bytes) -> None:
        name = transaction(self._pages.txid + 1)
        if len(body) < PROBE_BYTES:
            self._pages.apply_body(name, body)
        else:
            size = self._store.size(name.key(self.database))
            self._pages.apply([HeadFile(name, size, is_mapped=True)], self._deadline)

    def _follow_head(self, now: float) -> bool:
        """Apply the files of the head, and the transactions after it. Returns False if there is no usable head, or it
        leads too far back."""
        head = self._publisher.read_head()
        if head is None:
            return False
        if not is_fresh(head.checked_at, now):
            return self._pages.txid == 0 and self._follow_old_head(head, now)
        # Writers put a head every few transactions, so that a cold start mostly waits for one round of these.
        self._probes.send(max(head.txid, self._pages.txid), PROBES_BESIDE_HEAD)
        if head.txid > self._pages.txid and not self._apply_head(head):
            return False
        if not self._freshness.is_known(now):  # otherwise the copy has a later time itself
            self._freshness.known_at, self._freshness.is_listed = head.checked_at, False
        return self._probe(PROBES_BESIDE_HEAD)

    def _follow_old_head(self, head: Head, now: float) -> bool:
        """Apply the files of a head too old to prove anything, and the later ones in a LIST from its transaction on,
        all requested in one round. Returns False if they do not fit together."""
        self._probes.send(head.txid, PROBES_BESIDE_HEAD)
        listing = self._host.start(lambda: self.list_from(head.txid))
        is_applied = self._apply_head(head)
        files = listing.result()
        if not is_applied or max((name.max_txid for name in files), default=0) < head.txid:
            self._pages.forget()
            return False
        try:
            self._follow_list(None, files, now)
        except NotFound:  # removed since the LIST
            return False
        except SldbError as error:
            if error.code != "corrupt":
                raise
            return False
        self._freshness.known_at, self._freshness.is_listed = now, True
        return True

    def _apply_head(self, head: Head) -> bool:
        """Apply the files of the head; return False if it does not describe what there is."""
        files = {file.name: file for file in head.files}
        plan = self._plan(files, None)
        if plan.reach != head.txid:
            return False
        try:
            self._pages.apply([files[name] for name in plan.files], self._deadline, head.copies)
        except NotFound:  # removed since the head was written; a LIST may show other files
            return False
        except SldbError as error:  # or other sizes: with a wrong size an intact file looks damaged
            if isinstance(error, NotMapped) or error.code == "corrupt":
                return False
            raise
        return True

    def _follow_list(
        self, upto: Txid | None, listed: dict[LtxName, HeadFile] | None = None, listed_at: float | None = None
    ) -> Txid:
        """Apply the files in a LIST, and the transactions after them. Returns the newest transaction listed. `listed`,
        `listed_at`: the LIST and its beginning, if there is one already."""
        listed_at = self._host.now() if listed_at is None else listed_at
        files = listed or self._listed(upto)
        unmapped = {name for name, file in files.items() if self._lists.is_unmapped(file)}
        plan = self._plan_around(unmapped, files, upto)
        following = self._probes.request(plan.reach + 1) if upto is None or plan.reach < upto else None
        if plan.newest < self._pages.txid:
            newest, mine = plan.newest, self._pages.txid
            self._pages.forget()
            ltx.corrupt(database_prefix(self.database), "newest transaction", newest, f"{mine}, which was there before")
        plan = self._apply_plan(plan, files, unmapped, upto)
        # A LIST of many pages is not a snapshot: it may have passed the key of n + 1 before that was created, and then
        # find n + 2. And a name in it may be damaged: only a request for its key shows if there is a next transaction.
        last, followed = upto, 0
        while following is not None and (body := following.result()) is not None:
            if not is_fresh(listed_at, self._host.now()):  # paused: it may have been created again
                self._pages.forget()
                return self._follow_list(upto)
            self._apply_body(body)
            followed += 1
            if last is None and followed == PROBES_AT_ONCE:
                last = max(self._probes.limit_after(self._pages.txid), plan.newest)
            following = self._probes.request(self._pages.txid + 1) if last is None or self._pages.txid < last else None
        if self._pages.txid < plan.newest and upto is None:
            missing, newest = transaction(self._pages.txid + 1).key(self.database), plan.newest
            self._pages.forget()
            ltx.corrupt(missing, "transaction", "no object", f"one, because there is a transaction {newest}")
        return plan.newest

    def _apply_plan(
        self, plan: chain.Plan, files: dict[LtxName, HeadFile], unmapped: set[LtxName], upto: Txid | None
    ) -> chain.Plan:
        """Apply the files of the plan, or of another one without the files that lack a page map. Returns the plan
        applied."""
        while True:
            try:
                bodies = self._probes.bodies(plan.files)
                self._pages.apply([files[name] for name in plan.files], self._deadline, bodies)
                return plan
            except NotMapped as error:
                if error.name in unmapped:
                    raise
                unmapped.add(error.name)
                files = self.list_files()  # the copy begins again
                plan = self._plan_around(unmapped, files, upto)

    # Plans

    def _plan_around(self, unmapped: Collection[LtxName], names: Iterable[LtxName], upto: Txid | None) -> chain.Plan:
        """Return the chain without the files that have no page map, if others lead as far."""
        names = list(names)
        whole = self._plan(names, upto)
        # Beside another file of transaction 1 alone, the object at its key is the mark of a copy (actions.clone).
        left_out = {*unmapped, *(transaction(1) for name in names if name.level and name.max_txid == 1)}
        around = self._plan([name for name in names if name not in left_out], upto)
        return replace(around, newest=whole.newest) if around.reach == whole.reach else whole

    def _plan(self, names: Iterable[LtxName], upto: Txid | None) -> chain.Plan:
        """Return the chain from the copy's transaction; from the beginning if only that leads on, or if the process was
        paused. A frozen writer may have created a transaction again after retention had removed it: a base has the true
        one, and only an older copy would follow the other. That cannot be where no compacted file has a later one."""
        names = list(names)
        anew = chain.plan(names, 0, upto)
        txid = self._pages.txid
        if not txid:
            return anew
        # A snapshot reaches furthest, but would leave no page in place.
        onward = chain.plan([name for name in names if name.level != SNAPSHOT_LEVEL], txid, upto)
        is_compacted = any(name.level and name.max_txid > txid for name in names)
        is_doubtful = is_compacted and onward.reach > txid and not self._is_believable()
        is_anew = anew.reach > onward.reach or (anew.reach == onward.reach and is_doubtful)
        return anew if is_anew else replace(onward, newest=anew.newest)

    def _reopen(self) -> None:
        """Rebuild the copy's state from other files: fewer, or still existing ones. Its pages in the cache remain; if
        the state is not available any more, the copy is forgotten."""
        files = self._lists.chain(self._pages.txid)
        plan = chain.plan(files, 0, self._pages.txid)
        if plan.reach != self._pages.txid:
            self._pages.forget()
            return
        self._pages.reopen([files[name] for name in plan.files], self._deadline)

    # LISTs

    def _listed(self, upto: Txid | None) -> dict[LtxName, HeadFile]:
        """Return the files of a chain to `upto`, or to the newest transaction. Several LISTs show that there are none:
        one name, damaged in the answer, may be that of the only file."""
        files = self.list_from(self._pages.txid) if upto is None else self._lists.chain(upto)
        if files:
            return files
        self._probes.send(0, 1)  # it is requested next
        again = [self._host.start(self.list_files) for _ in range(EMPTY_LISTS - 1)]
        return max((listing.result() for listing in again), key=len)

    @property
    def _lists(self) -> LogLists:
        from lambda_handlers.storage.log_lists import LogLists  # a cold start with a head needs none

        return LogLists(self._store, self._host, self._clock, self._freshness, self.database)

    def list_from(self, txid: Txid) -> dict[LtxName, HeadFile]:
        """Return the files from transaction `txid` on and all compacted ones; those of a chain to the newest one if
        they do not even lead to it."""
        files = self.list_files(after=txid - 1) if txid > 1 else {}
        return files if any(name.max_txid >= txid for name in files) else self._lists.chain(None)

    def list_files(self, after: Txid = 0) -> dict[LtxName, HeadFile]:
        """Return the database's LTX files, without level-0 files up to transaction `after`. Raises StoreError."""
        return self._lists.files(after)
