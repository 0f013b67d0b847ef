"""The times of the simulated services: pure functions of a clock that is passed in.

A request takes its latency until the first byte of the answer. Bodies move over the link of their host, which all its
connections share, one link for each direction.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    get_ms: float = 15.0  # GET and HEAD
    put_ms: float = 30.0  # every other request to S3
    ec2_ms: float = 250.0
    bytes_a_second: float = 90e6  # of a host, in each direction; 0: no limit

    def seconds(self, verb: str) -> float:
        """Return the seconds from a request to the first byte of its answer."""
        if verb in ("GET", "HEAD"):
            return self.get_ms / 1000
        return (self.ec2_ms if verb == "EC2" else self.put_ms) / 1000


class Link:
    """One direction of a host's connection. Bytes that are handed over leave one after another."""

    def __init__(self, bytes_a_second: float) -> None:
        self._bytes_a_second = bytes_a_second
        self._free_at = 0.0

    def move(self, size: int, now: float) -> float:
        """Take `size` bytes at the time `now` (seconds). Return the time at which the last of them has passed."""
        if not self._bytes_a_second:
            return now
        self._free_at = max(now, self._free_at) + size / self._bytes_a_second
        return self._free_at
