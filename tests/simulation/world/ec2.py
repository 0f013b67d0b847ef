"""EC2's security groups as one container sees them.

Names are unique regardless of case, ids are never used twice, a create is atomic with its tags. `describe` lags behind:
a new group may be missing, or a deleted one still be shown; a delete may not find a group yet. The account may make a
limited number of calls a second, all containers together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from lambda_handlers.aws.ec2 import (
    CALL_SECONDS,
    Ambiguous,
    Duplicate,
    Ec2Error,
    NotFound,
    Refused,
    SecurityGroup,
    Throttled,
)
from tests.simulation.checking.ledger import Ledger
from tests.simulation.world.chance import Chance
from tests.simulation.world.container import Container
from tests.simulation.world.faults import NOT_APPLIED, Fault

CHANGES_A_SECOND = 5
LOOKS_A_SECOND = 20
LATEST_SECONDS = 20.0


@dataclass(slots=True)
class Group:
    shown: SecurityGroup
    visible_at: float
    deleted_at: float = float("inf")
    gone_at: float = float("inf")  # from the list that describe shows


class Region:
    """The truth, and its visible part."""

    def __init__(self, now: Callable[[], float], chance: Chance, ledger: Ledger) -> None:
        self._now = now
        self._chance = chance
        self.ledger = ledger
        self._ids = count(1)
        self._groups: dict[str, Group] = {}
        self._calls: dict[int, deque[float]] = {CHANGES_A_SECOND: deque(), LOOKS_A_SECOND: deque()}
        self._lag_seconds = chance.choice("lag of ec2", (0.0, 0.5, 3.0, 20.0))

    def create(self, name: str, tags: Mapping[str, str], by: Any) -> str:
        self._count(CHANGES_A_SECOND)
        if any(group.shown.name.lower() == name.lower() for group in self._groups.values() if self._exists(group)):
            raise Duplicate("InvalidGroup.Duplicate", name)
        group_id = f"sg-{next(self._ids):017x}"
        lag = self._lag_seconds * self._chance.number(f"shown {group_id}") ** 2
        self._groups[group_id] = Group(SecurityGroup(group_id, name, dict(tags)), self._now() + lag)
        self.ledger.lock_taken(group_id, float(tags["CreateTime"]), by)
        return group_id

    def describe(self, filters: Mapping[str, str]) -> list[SecurityGroup]:
        self._count(LOOKS_A_SECOND)
        now = self._now()
        shown = [group.shown for group in self._groups.values() if group.visible_at <= now < group.gone_at]
        return [group for group in shown if all(_matches(group, name, value) for name, value in filters.items())]

    def delete(self, group_id: str, by: Any) -> None:
        self._count(CHANGES_A_SECOND)
        group = self._groups.get(group_id)
        if group is None or not self._exists(group) or group.visible_at > self._now():
            raise NotFound("InvalidGroup.NotFound", group_id)
        group.deleted_at = self._now()
        group.gone_at = self._now() + self._lag_seconds * self._chance.number(f"gone {group_id}") ** 2
        self.ledger.lock_freed(group_id, by)

    @staticmethod
    def _exists(group: Group) -> bool:
        return group.deleted_at == float("inf")

    def _count(self, most: int) -> None:
        calls = self._calls[most]
        while calls and calls[0] <= self._now() - 1.0:
            calls.popleft()
        if len(calls) >= most:
            raise Throttled("RequestLimitExceeded", f"more than {most} a second")
        calls.append(self._now())


class RegionClient:
    """The interface of lambda_handlers.aws.ec2.Ec2."""

    def __init__(self, region: Region, container: Container) -> None:
        self._region = region
        self._container = container

    def create_security_group(
        self, name: str, description: str, vpc_id: str | None, tags: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> str:
        by = self._container.context
        group_id: str = self._write("create group", name, lambda: self._region.create(name, tags, by), Duplicate)
        return group_id

    def describe_security_groups(
        self, filters: Mapping[str, str], timeout: float = CALL_SECONDS
    ) -> list[SecurityGroup]:
        container = self._container
        meeting = container.meet(container.faults.at_read, "describe groups", "")
        if not container.go(meeting):
            raise Refused("RequestExpired", "signed too long ago")
        if meeting.fault in NOT_APPLIED:
            raise _failure(meeting.fault)
        try:
            container.told_time()
            return self._region.describe(filters)
        finally:
            container.come_back(meeting)

    def delete_security_group(self, group_id: str, timeout: float = CALL_SECONDS) -> None:
        by = self._container.context
        self._region.ledger.lock_release_sent(group_id)
        self._write("delete group", group_id, lambda: self._region.delete(group_id, by), NotFound)

    def _write(self, verb: str, what: str, act: Callable[[], Any], clash: type[Ec2Error]) -> Any:
        container, world = self._container, self._container.world
        meeting = container.meet(container.faults.at_write, verb, what)
        if not container.go(meeting):
            raise Refused("RequestExpired", "signed too long ago")
        fault = meeting.fault
        if fault is Fault.LATE:
            world.at(world.now + LATEST_SECONDS * meeting.size**2, lambda: _unheard(act))
        if fault in NOT_APPLIED or fault in (Fault.LATE, Fault.CLASH):
            raise _failure(fault)
        if fault in (Fault.REFUSE, Fault.DENIED):
            raise Refused("UnauthorizedOperation", "not now")
        try:
            container.told_time()
            answer = act()
        finally:
            container.come_back(meeting)
        if fault is Fault.TWICE:
            world.at(world.now + LATEST_SECONDS * meeting.size**2, lambda: _unheard(act))
        if fault is Fault.LOSE_ANSWER:
            raise _failure(fault)
        if fault is Fault.OWN:
            raise clash(fault.name, what)
        return answer


def _failure(fault: Fault) -> Ec2Error:
    kind = Throttled if fault is Fault.THROTTLE else Ambiguous
    return kind(fault.name, fault.value)


def _unheard(act: Callable[[], Any]) -> None:
    try:
        act()
    except Ec2Error:
        return  # as EC2 would have answered, had anybody listened


def _matches(group: SecurityGroup, name: str, value: str) -> bool:
    if name.startswith("tag:"):
        return group.tags.get(name[4:]) == value
    return {"group-name": group.name, "group-id": group.group_id, "vpc-id": value}[name] == value
