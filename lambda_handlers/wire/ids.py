"""Request ids: UUIDs of version 7, in which the time of creation can be read."""

from __future__ import annotations

from lambda_handlers.shared.patterns import pattern

_UUID_7 = pattern(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def new_request_id(made: float, chance: bytes) -> str:
    """Return a request id that contains its time of creation (unix seconds). `chance`: 10 random bytes."""
    number = int.from_bytes(chance, "big")
    return f"{int(made * 1000):012x}7{number >> 64 & 0xFFF:03x}{8 | number >> 62 & 3:x}{number & (1 << 60) - 1:015x}"


def made_at(request_id: str) -> float | None:
    """Return the time of creation of a request id (unix seconds); None for an id of another form."""
    return int(request_id[:12], 16) / 1000 if _UUID_7.fullmatch(request_id) else None
