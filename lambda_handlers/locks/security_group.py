"""The lock as an EC2 security group: its name is unique in the VPC, so the creator of the group has the lock.

Its name and its tags are in `lambda_handlers.shared.lock_holder`. One call sets both, so that a group of sldb is never
without its tags.

The group's id is the lock's id: EC2 never uses one twice, so deleting by id cannot hit a later lock.

EC2 answers late, or not, and shows new and deleted groups with a delay. Therefore:
- Only a create that EC2 accepted, or a group with our Owner, proves that we have the lock; a description without the
  group never proves that it is free.
- A create without an answer is looked up, and sent again with the same Owner: if the first one was applied after all,
  the second meets `Duplicate`, and the Owner shows that it was ours.
- Any group left behind by unlucky answers (a create that was applied after we gave up, a delete that was not) is freed
  by its age: here by the next writer, and by the deadlock-fix function.

EC2 grants an account about five creates and five deletes a second. So the writers that wait form a line
(`locks.group_line`), and only the first ones try. The acquire itself is in `locks.group_acquire`.
"""

from __future__ import annotations

import math

from lambda_handlers.aws.ec2 import Ambiguous, Ec2Error, NotFound, SecurityGroup, Throttled
from lambda_handlers.locks.group_acquire import (
    HINTS,
    MAX_ATTEMPTS,
    GroupAcquire,
    LockGroups,
    holder_of,
    refusal,
)
from lambda_handlers.locks.group_line import GroupLine
from lambda_handlers.locks.protocol import Sleep, Sweep
from lambda_handlers.locks.waiting import backoff, sleep_within, unlock_hint
from lambda_handlers.shared.lock_holder import Holder, group_filters, is_group_name, tag_text
from lambda_handlers.wire import SldbError

FRESH_SECONDS = 10.0  # a group that young may be unknown to a delete that comes right after its create
FRESH_ATTEMPTS = 3


class SecurityGroupLock(LockGroups):
    def acquire(self, database: str, deadline: float, doing: str, sleep: Sleep | None = None) -> Holder:
        line = self._line(database)
        try:
            holder = GroupAcquire(self, database, deadline, tag_text(doing), sleep, line).run()
        finally:
            self._waits[database] = line.waited, self.host.now()
        self._taken[holder.lock_id] = self.host.now()
        return holder

    def release(self, lock_id: str, database: str) -> bool:
        taken_at = self._taken.pop(lock_id, None)
        fresh = taken_at is not None and self.host.now() - taken_at < FRESH_SECONDS
        try:
            return self._delete(lock_id, FRESH_ATTEMPTS if fresh else 1)
        except Ec2Error as error:
            raise SldbError(
                "store_error",
                f"the lock {lock_id} of database {database} was not released: EC2 answered {error}",
                HINTS.get(error.code, unlock_hint(database, self.max_age_seconds)),
                database=database,
            ) from error

    def holders(self) -> list[Holder]:
        try:
            groups = self._describe(group_filters(self.stack, self.vpc_id))
        except Ec2Error as error:
            raise refusal(error) from error
        return [holder_of(group) for group in groups if is_group_name(group.name)]

    def free_expired(self, deadline: float) -> Sweep:
        holders = self.holders()
        freed, failed = [], []
        for holder in holders:
            if not holder.is_expired(self.host.now(), self.max_age_seconds):
                continue
            try:
                if self._delete(holder.lock_id, 1, deadline):
                    freed.append(holder)
            except Ec2Error as error:
                failed.append((holder, str(error)))
        ageless = tuple(holder for holder in holders if holder.created_at is None)
        return Sweep(len(holders), tuple(freed), ageless, tuple(failed))

    def _line(self, database: str) -> GroupLine:
        """Return the place of a writer that begins to wait. What it knows of the line is over after as long a wait."""
        waited, until = self._waits.get(database, (0.0, 0.0))
        return GroupLine(self.host, self.retry_seconds, waited if 0 <= self.host.now() - until < waited else 0.0)

    def _describe(self, filters: dict[str, str]) -> list[SecurityGroup]:
        tries = 0
        while True:
            tries += 1
            try:
                return self.ec2.describe_security_groups(filters)
            except (Throttled, Ambiguous):
                if tries == MAX_ATTEMPTS:
                    raise
            self.host.sleep(backoff(self.host, tries))

    def _delete(self, lock_id: str, tries_to_find: int, deadline: float = math.inf) -> bool:
        """Delete the group; False if it was gone. Raises Ec2Error if tries or time ran out, or EC2 refuses."""
        tries, absences, unanswered = 0, 0, False
        while True:
            tries += 1
            try:
                self.delete(lock_id)
                return True
            except NotFound as error:
                problem: Ec2Error = error
                absences += 1
                if unanswered or absences == tries_to_find:
                    return unanswered  # after an unanswered try, this call has deleted it, as far as can be known
            except (Throttled, Ambiguous) as error:
                problem = error
                unanswered = unanswered or isinstance(error, Ambiguous)
            if tries == MAX_ATTEMPTS or not sleep_within(self.host, backoff(self.host, tries), deadline):
                if absences:
                    return False
                raise problem
