"""EC2's security groups in memory, with EC2's faults; compared with moto by the tests of locks.

Names are unique in a VPC regardless of case, ids are never used twice, a create is atomic with its tags.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum, auto
from itertools import count

from lambda_handlers.aws.ec2 import CALL_SECONDS, Ambiguous, Duplicate, NotFound, Refused, SecurityGroup, Throttled


class Fault(Enum):
    NONE = auto()
    THROTTLE = auto()  # turned away
    LOSE_REQUEST = auto()  # never arrives, and nobody answers
    LOSE_ANSWER = auto()  # applied, and nobody answers
    APPLY_LATE = auto()  # applied when `arrive` is called, and nobody answers
    REFUSE = auto()


class FakeEc2:
    def __init__(self) -> None:
        self.calls: list[str] = []  # action names, in order
        self.unseen: set[str] = set()  # ids of groups that describe does not show yet, nor delete finds
        self.ghosts: list[SecurityGroup] = []  # deleted groups that describe still shows
        self._groups: dict[str, tuple[str, SecurityGroup]] = {}  # id → VPC, group
        self._faults: dict[str, deque[Fault]] = {}
        self._late: list[Callable[[], object]] = []
        self._ids = count(1)
        self._lock = threading.Lock()

    def plan(self, action: str, *faults: Fault) -> None:
        """Plan the faults of the next calls of `create`, `describe` or `delete`."""
        self._faults.setdefault(action, deque()).extend(faults)

    def arrive(self) -> None:
        """Apply the delayed calls."""
        for apply in self._late:
            _unheard(apply)
        self._late.clear()

    @property
    def groups(self) -> list[SecurityGroup]:
        return [group for _, group in self._groups.values()]

    def create_security_group(
        self, name: str, description: str, vpc_id: str | None, tags: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> str:
        vpc_id = vpc_id or "vpc-default"
        with self._meeting("create", lambda: self._create(name, vpc_id, tags)):
            return self._create(name, vpc_id, tags)

    def describe_security_groups(
        self, filters: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> list[SecurityGroup]:
        with self._meeting("describe", lambda: None):
            shown = [*self._groups.values(), *((filters.get("vpc-id", ""), ghost) for ghost in self.ghosts)]
            return [
                group
                for vpc_id, group in shown
                if group.group_id not in self.unseen
                and all(_matches(name, value, vpc_id, group) for name, value in filters.items())
            ]

    def delete_security_group(self, group_id: str, timeout: float = CALL_SECONDS) -> None:
        with self._meeting("delete", lambda: self._delete(group_id)):
            self._delete(group_id)

    def _create(self, name: str, vpc_id: str, tags: Mapping[str, str]) -> str:
        if any(vpc == vpc_id and group.name.lower() == name.lower() for vpc, group in self._groups.values()):
            raise Duplicate("InvalidGroup.Duplicate", f"The security group '{name}' already exists")
        group_id = f"sg-{next(self._ids):017x}"
        self._groups[group_id] = (vpc_id, SecurityGroup(group_id, name, dict(tags)))
        return group_id

    def _delete(self, group_id: str) -> None:
        if group_id in self.unseen or group_id not in self._groups:
            raise NotFound("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        del self._groups[group_id]

    @contextmanager
    def _meeting(self, action: str, apply: Callable[[], object]) -> Iterator[None]:
        with self._lock:
            self.calls.append(action)
            faults = self._faults.get(action)
            fault = faults.popleft() if faults else Fault.NONE
            if fault is Fault.THROTTLE:
                raise Throttled("RequestLimitExceeded", "Request limit exceeded.")
            if fault is Fault.REFUSE:
                raise Refused("UnauthorizedOperation", "You are not authorized to perform this operation.")
            if fault is Fault.LOSE_ANSWER:
                _unheard(apply)
            if fault is Fault.APPLY_LATE:
                self._late.append(apply)
            if fault is not Fault.NONE:
                raise Ambiguous("NoAnswer", "timed out")
            yield


def _unheard(apply: Callable[[], object]) -> None:
    with suppress(Duplicate, NotFound):  # as EC2 would have answered, had anybody listened
        apply()


def _matches(name: str, value: str, vpc_id: str, group: SecurityGroup) -> bool:
    if name.startswith("tag:"):
        return group.tags.get(name[4:]) == value
    return {"vpc-id": vpc_id, "group-name": group.name, "group-id": group.group_id}[name] == value
