"""One writer's acquire of a lock that is a security group: its tries, its looks, and its pauses between them.

The rules by which EC2's answers are understood are in `locks.security_group`, the order of the writers in
`locks.group_line`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from lambda_handlers.aws.ec2 import Ambiguous, Duplicate, Ec2, Ec2Error, NotFound, Refused, SecurityGroup, Throttled
from lambda_handlers.host import Host
from lambda_handlers.locks.group_line import GroupLine
from lambda_handlers.locks.protocol import Sleep
from lambda_handlers.locks.waiting import backoff, lock_timeout, sleep_within, unlock_hint
from lambda_handlers.shared.lock_holder import Holder, decode_group, encode_tags, group_name
from lambda_handlers.wire import SldbError

DESCRIPTION = "Write lock of a database; deleted when the transaction ends. See the tags for who holds it"
MAX_ATTEMPTS = 6  # calls in a row without a usable answer, before they are reported
CALL_SECONDS = 10.0
MIN_CALL_SECONDS = 1.0  # even if less is left: a missed answer is worse than a late one

UNAUTHORIZED = "UnauthorizedOperation"
HINTS = {
    UNAUTHORIZED: "the function's role lacks a right that the template gives: sldb deploy",
    "AuthFailure": "check the credentials and the clock",
    "InvalidVpcID.NotFound": "the VPC of the locks is gone: sldb deploy",
    "SecurityGroupLimitExceeded": "have the quota for security groups raised, or: sldb deploy --lock s3",
    "DependencyViolation": "something uses the lock's security group: detach it, or: sldb deploy --lock s3",
}


class LockGroups:
    """The lock groups of one stack as a container knows them, and the rules for them."""

    def __init__(
        self,
        ec2: Ec2,
        host: Host,
        *,
        stack: str,
        vpc_id: str | None,  # None: the region's default VPC
        max_age_seconds: float,
        retry_seconds: float,
        tags: Mapping[str, str] | None = None,  # of every group, where a policy of the account demands some
    ) -> None:
        self.tags = tags or {}
        self.ec2 = ec2
        self.host = host
        self.stack = stack
        self.vpc_id = vpc_id
        self.in_vpc = {} if vpc_id is None else {"vpc-id": vpc_id}
        self.max_age_seconds = max_age_seconds
        self.retry_seconds = retry_seconds
        self._taken: dict[str, float] = {}  # lock id → when this object took it
        self._waits: dict[str, tuple[float, float]] = {}  # database → for how long this object waited, and until when
        self.freed_stale = 0

    def delete(self, lock_id: str, timeout: float = CALL_SECONDS) -> None:
        """Delete the group. Also raises NotFound if EC2 denies the role the right: this depends on the group's tags,
        and a group that is gone, or not shown yet, has none."""
        try:
            self.ec2.delete_security_group(lock_id, timeout)
        except Refused as error:
            if error.code != UNAUTHORIZED or self.ec2.describe_security_groups({"group-id": lock_id}, timeout):
                raise
            raise NotFound(error.code, error.message) from error


class GroupAcquire:
    """The wait of one writer for one lock."""

    def __init__(
        self,
        lock: LockGroups,
        database: str,
        deadline: float,
        doing: str,
        sleep: Sleep | None,
        line: GroupLine,
    ) -> None:
        self.lock = lock
        self.host = lock.host
        self.database = database
        self.deadline = deadline
        self.doing = doing
        self.sleep = sleep
        self.line = line
        self.owner = lock.host.nonce()
        self.seen: Holder | None = None  # the holder of the lock when we last looked
        self.freed: set[str] = set()  # ids that we freed; EC2 may continue to show them for a while
        self.is_unsure = False  # a create of ours had no answer
        self.trouble: Ec2Error | None = None  # why the last try showed nothing about the lock
        self.failures = 0  # such tries in a row
        self.unanswered = 0  # those of them that were not just throttled

    def run(self) -> Holder:
        if pause := self.line.first_pause:
            sleep_within(self.host, pause, self.deadline, self.sleep)
        while True:
            try:
                if mine := self._try():
                    return mine
                self.trouble, self.failures, self.unanswered = None, 0, 0
                if self._can_free():
                    continue
                pause = self.line.pause
            except (Throttled, Ambiguous) as error:
                pause = self._pause_after(error)
            except Ec2Error as error:
                raise refusal(error) from error
            try:
                has_time = sleep_within(self.host, pause, self.deadline, self.sleep)
            except SldbError:
                self._give_back()
                raise
            if not has_time:
                return self._last_look()

    def _try(self) -> Holder | None:
        if self.seen and self._can_free():
            self._free(self.seen)
        if self._gives_way():
            return self._look()
        try:
            return self._create()
        except Duplicate:
            self.line.add_failed_try()
            return None if self._knows_holder() else self._look()
        except Ambiguous:
            self.is_unsure = True
            mine = self._look()
            if mine is None and self.seen is None:
                raise  # not applied, or not shown yet
            return mine

    def _gives_way(self) -> bool:
        """Return True if others come first; a writer whose time is nearly up tries all the same."""
        return self.line.is_far and not self.is_unsure and self._seconds_left() > self.lock.retry_seconds

    def _create(self) -> Holder:
        lock, now = self.lock, round(self.host.now(), 3)
        waited = self.line.waited
        own = encode_tags(lock.stack, self.database, self.owner, now, self.doing, waited)
        tags = {**lock.tags, **own}  # the lock is found by its own, which outweigh the others
        name = group_name(lock.stack, self.database)
        group_id = lock.ec2.create_security_group(name, DESCRIPTION, lock.vpc_id, tags, self._timeout())
        return Holder(group_id, self.database, self.owner, now, self.doing, waited_seconds=waited)

    def _look(self) -> Holder | None:
        """Find out the holder; return it if that is this writer."""
        filters = {"group-name": group_name(self.lock.stack, self.database), **self.lock.in_vpc}
        groups = self.lock.ec2.describe_security_groups(filters, self._timeout())
        # Never two at a time, but a group that was deleted may be shown beside its successor.
        found = sorted(map(holder_of, groups), key=lambda holder: holder.created_at or 0.0)
        self.seen = found[-1] if found else None
        self.line.add_look(self.seen)
        return next((holder for holder in found if holder.owner == self.owner), None)

    def _knows_holder(self) -> bool:
        is_known = self.seen is not None and self.seen.lock_id not in self.freed and not self.is_unsure
        return is_known and not self.line.wants_look

    def _can_free(self) -> bool:
        seen = self.seen
        return (
            seen is not None
            and seen.lock_id not in self.freed
            and seen.is_expired(self.host.now(), self.lock.max_age_seconds)
        )

    def _free(self, holder: Holder) -> None:
        with suppress(NotFound):  # its holder, or another waiter, was faster
            self.lock.delete(holder.lock_id, self._timeout())
            self.lock.freed_stale += 1
        self.freed.add(holder.lock_id)
        self.seen = None

    def _give_back(self) -> None:
        """Free the lock if a create without an answer has taken it. If that fails, its age frees it."""
        if self.is_unsure:
            with suppress(Ec2Error):
                if mine := self._look():
                    self.lock.delete(mine.lock_id, self._timeout())

    def _pause_after(self, error: Ec2Error) -> float:
        self.trouble = error
        self.failures += 1
        self.unanswered = self.unanswered + 1 if isinstance(error, Ambiguous) else 0
        if self.unanswered == MAX_ATTEMPTS:
            raise refusal(error) from error
        return max(self.line.pause, backoff(self.host, self.failures))

    def _last_look(self) -> Holder:
        """Return the holder when the time is up. If that is this writer, thanks to a lost answer, the acquire has
        succeeded."""
        known = self.seen
        try:
            if mine := self._look():
                return mine
        except Ec2Error as error:
            self.trouble = self.trouble or error
        holder = self.seen or known
        if holder is None and self.trouble:
            raise refusal(self.trouble)
        hint = unlock_hint(self.database, self.lock.max_age_seconds)
        raise lock_timeout(self.database, holder, self.host.now(), hint)

    def _seconds_left(self) -> float:
        return self.deadline - self.host.now()

    def _timeout(self) -> float:
        return min(CALL_SECONDS, max(MIN_CALL_SECONDS, self._seconds_left()))


def holder_of(group: SecurityGroup) -> Holder:
    return decode_group(group.group_id, group.name, group.tags)


def refusal(error: Ec2Error) -> SldbError:
    did = "throttles this account" if isinstance(error, Throttled) else "did not answer"
    did = "refused" if isinstance(error, Refused) else did
    return SldbError(
        "store_error",
        f"the write lock: EC2 {did} ({error})",
        HINTS.get(error.code, "send it again; if that keeps happening: sldb status, or sldb deploy --lock s3"),
        applied="no",
    )
