"""The pin of a request: the chance and the time that its statements see.

{"seed": "00112233445566778899aabbccddeeff", "time": "2026-11-26T11:04:12.345Z"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared import times
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire.errors import bad_request

MIN_SEED_BYTES, MAX_SEED_BYTES = 16, 64
_FIELDS = ("seed", "time")


@dataclass(frozen=True, slots=True)
class Pin:
    seed: bytes
    time_ms: int  # unix

    def encode(self) -> dict[str, Any]:
        return {"seed": self.seed.hex(), "time": times.utc(self.time_ms)}

    @classmethod
    def decode(cls, value: object) -> Pin:
        """Return the pin of a request. Raises `bad_request`."""
        if not isinstance(value, Mapping):
            bad_request("pin", value, 'an object {"seed", "time"}')
        if unknown := sorted(set(map(str, value)) - set(_FIELDS)):
            bad_request(f"pin.{unknown[0]}", value.get(unknown[0]), "only seed and time")
        return cls(_seed(value.get("seed")), _time_ms(value.get("time")))


def _seed(value: object) -> bytes:
    try:
        seed = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        seed = b""
    if not MIN_SEED_BYTES <= len(seed) <= MAX_SEED_BYTES:
        bad_request("pin.seed", value, f"{MIN_SEED_BYTES} to {MAX_SEED_BYTES} bytes as hex digits")
    return seed


def _time_ms(value: object) -> int:
    written = times.read(value) if isinstance(value, str) else None
    if written is None or written.offset_seconds is None:
        bad_request("pin.time", value, "an RFC 3339 time with its zone, such as 2026-11-01T10:00:00.000Z")
    return written.start_ms
