"""The machines of the writers: their store and EC2, whose requests take simulated time and are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from lambda_handlers.aws.ec2 import Duplicate, NotFound, SecurityGroup, Throttled
from lambda_handlers.host import Call, Host
from lambda_handlers.store.protocol import ObjectInfo, ObjectStore
from tests.simulation.world.chance import Chance
from tests.simulation.world.scheduler import World

GET_SECONDS, PUT_SECONDS, EC2_SECONDS = 0.015, 0.030, 0.250
SPREAD = 0.15
EC2_CHANGES_A_SECOND = 5
_QUOTAS = {"create": (50, EC2_CHANGES_A_SECOND), "delete": (50, EC2_CHANGES_A_SECOND), "describe": (100, 20)}
_READS = frozenset({"get", "get_with_tag", "get_range", "size", "info"})
T = TypeVar("T")


class Machine:
    """The host of one writer: its requests take simulated time, and are counted."""

    def __init__(self, world: World, chance: Chance, name: str) -> None:
        self.counted: Counter[str] = Counter()  # requests, by verb
        self.counts_until = 0.0  # unix seconds
        self._world = world
        self._chance = chance
        self._name = name
        self._drawn = 0
        self.host = Host(lambda: world.now, world.wait, self._entropy, self._start)

    def ask(self, verb: str, seconds: float, act: Callable[[], T]) -> T:
        """Carry out a request half-way between its beginning and its answer."""
        self.counted[verb] += self._world.now < self.counts_until
        half = seconds / 2 * (1 - SPREAD + 2 * SPREAD * self.host.jitter())
        self._world.wait(half)
        try:
            return act()
        finally:
            self._world.wait(half)

    def _entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._chance.bytes(f"{self._name} {self._drawn}", count)

    def _start(self, function: Callable[[], Any]) -> Call:
        return self._world.spawn(function)


class WriterStore:
    """The store as one writer sees it. `dates`: of the objects, which all writers share."""

    def __init__(self, store: ObjectStore, machine: Machine, dates: dict[str, float]) -> None:
        self._store = store
        self._machine = machine
        self._dates = dates

    def __getattr__(self, verb: str) -> Any:
        act = getattr(self._store, verb)
        seconds = GET_SECONDS if verb in _READS else PUT_SECONDS

        def ask(*arguments: Any, **options: Any) -> Any:
            return self._machine.ask(verb, seconds, lambda: self._dated(act(*arguments, **options)))

        return ask

    def create(self, key: str, body: bytes) -> str:
        return self._machine.ask("create", PUT_SECONDS, lambda: self._changed(key, self._store.create(key, body)))

    def put(self, key: str, body: bytes) -> str:
        return self._machine.ask("put", PUT_SECONDS, lambda: self._changed(key, self._store.put(key, body)))

    def replace(self, key: str, body: bytes, etag: str) -> str:
        act = self._store.replace
        return self._machine.ask("replace", PUT_SECONDS, lambda: self._changed(key, act(key, body, etag)))

    def _changed(self, key: str, etag: str) -> str:
        self._dates[key] = float(int(self._machine.host.now()))
        return etag

    def _dated(self, answer: Any) -> Any:
        """Return an answer with dates of the simulated time."""
        if isinstance(answer, Iterator):
            return iter([self._dated(one) for one in answer])
        return replace(answer, modified_at=self._dates[answer.key]) if isinstance(answer, ObjectInfo) else answer


class Region:
    """The security groups of a region, and the quotas of its calls."""

    def __init__(self, world: World) -> None:
        self.groups: dict[str, SecurityGroup] = {}
        self._world = world
        self._made = 0
        self._tokens = {call: (float(most), world.now) for call, (most, _) in _QUOTAS.items()}

    def create(self, name: str, tags: dict[str, str]) -> str:
        self.count("create")
        if any(group.name == name for group in self.groups.values()):
            raise Duplicate("InvalidGroup.Duplicate", name)
        self._made += 1
        group_id = f"sg-{self._made:017x}"
        self.groups[group_id] = SecurityGroup(group_id, name, dict(tags))
        return group_id

    def delete(self, group_id: str) -> None:
        self.count("delete")
        if self.groups.pop(group_id, None) is None:
            raise NotFound("InvalidGroup.NotFound", group_id)

    def describe(self, filters: dict[str, str]) -> list[SecurityGroup]:
        self.count("describe")
        name = filters.get("group-name")
        return [group for group in self.groups.values() if name in (None, group.name)]

    def count(self, call: str) -> None:
        """Take a token. Raises Throttled."""
        (most, a_second), (left, since) = _QUOTAS[call], self._tokens[call]
        left = min(most, left + a_second * (self._world.now - since))
        self._tokens[call] = (left - (left >= 1), self._world.now)
        if left < 1:
            raise Throttled("RequestLimitExceeded", f"too many calls of {call}")


class WriterEc2:
    """EC2 as one writer sees it."""

    def __init__(self, region: Region, machine: Machine) -> None:
        self._region = region
        self._machine = machine

    def create_security_group(self, name: str, *others: Any) -> str:
        *_, tags, _timeout = others
        return self._machine.ask("create group", EC2_SECONDS, lambda: self._region.create(name, tags))

    def describe_security_groups(self, filters: dict[str, str], *_: Any) -> list[SecurityGroup]:
        return self._machine.ask("describe groups", EC2_SECONDS, lambda: self._region.describe(filters))

    def delete_security_group(self, group_id: str, *_: Any) -> None:
        self._machine.ask("delete group", EC2_SECONDS, lambda: self._region.delete(group_id))
