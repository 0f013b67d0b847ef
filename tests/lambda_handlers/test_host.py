"""What the server takes from the machine."""

from __future__ import annotations

import time

from lambda_handlers.host import Host


def test_time_is_the_wall_clock() -> None:
    """The monotonic clock of a container that was frozen stood still, and what it knows would seem young."""
    before = time.time()
    assert before <= Host().now() <= time.time()


def test_a_nonce_is_nobody_elses() -> None:
    nonces = {Host().nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert {len(nonce) for nonce in nonces} == {16}
