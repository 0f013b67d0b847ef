"""What a run does not try, because it is known to fail."""

from __future__ import annotations

from benchmarks.peers.__main__ import hopeless
from benchmarks.peers.peers import PEERS
from benchmarks.peers.runs import TOO_LONG, Part, Result

PEER = PEERS[0]
DONE = Part("cold", 1.0, 1.0, 1, {}, 0, 0, 0, {}, 0.0)


def test_after_a_point_read_that_failed_nothing_is_tried_at_that_size() -> None:
    known = [Result(PEER.name, "point read", 10, [], "does not load")]
    assert hopeless(known, PEER, "full scan", 10) == "does not load"
    assert hopeless(known, PEER, "full scan", 100) == ""
    assert hopeless(known, PEERS[1], "full scan", 10) == ""


def test_what_took_too_long_is_not_tried_at_a_larger_size() -> None:
    known = [Result(PEER.name, "full scan", 10, [], f"{TOO_LONG}: stopped after 3 requests")]
    assert hopeless(known, PEER, "full scan", 100).startswith(TOO_LONG)
    assert hopeless(known, PEER, "bulk import", 100) == ""


def test_only_what_never_ended_is_hopeless() -> None:
    known = [Result(PEER.name, "full scan", 10, [DONE], TOO_LONG)]  # cold it ended, warm it did not
    assert hopeless(known, PEER, "full scan", 100) == ""
