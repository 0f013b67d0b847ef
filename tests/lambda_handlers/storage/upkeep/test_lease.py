"""The lease of a pass: for functions of both versions, and damaged."""

from __future__ import annotations

import json

from lambda_handlers.storage.upkeep.lease import LEASE_SECONDS
from tests.lambda_handlers.storage.upkeep.passes import World

LEASE = "main/maintenance.json"


def leased(world: World) -> bytes:
    """The lease as it lies there while a pass is under way."""
    seen: list[bytes] = []
    world.store.before = lambda verb, key: (
        seen.append(world.store._store.get(LEASE)) if (verb, key) == ("list_objects", "main/") else None
    )
    world.maintain("main")
    world.store.before = lambda _verb, _key: None
    return seen[0]


def test_a_lease_that_is_damaged_holds_nobody_up(world: World) -> None:
    world.write(3)
    lease = leased(world)
    for bit in range(8 * len(lease)):
        damaged = bytearray(lease)
        damaged[bit // 8] ^= 1 << bit % 8
        world.store.put(LEASE, bytes(damaged))
        assert world.maintain("main") != [], bytes(damaged)
    world.store.put(LEASE, lease)
    assert world.maintain("main") == []


def test_either_version_waits_for_the_lease_of_the_other(world: World) -> None:
    """As commit e2673fc read one: `0 < expires_at - now <= 960`."""
    world.write(3)
    assert 0 < float(json.loads(leased(world))["expires_at"]) - world.clock.time <= LEASE_SECONDS
    world.store.put(LEASE, b'{"owner": "abc", "expires_at": %f}' % (world.clock.time + LEASE_SECONDS))
    assert world.maintain("main") == []
    world.store.put(LEASE, b'{"owner": "", "expires_at": 0}')
    assert world.maintain("main") != []
