"""A sealed object: small JSON with a checksum over its bytes and its key.

    {"version":2,"txid":4711,…,"crc32":"89abcdef"}

`crc32` is the last field, eight lower-case hex digits: the CRC-32 of the key, a newline, and every byte before the
comma in front of it. So the check detects a flipped bit, a truncation, the body of another key, and two concatenated
bodies; a body that fails it is not parsed. The order of the fields and every space count.

A leaf: the functions and the client share it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

_SEAL_BYTES = len(',"crc32":"00000000"}')


def seal(fields: Mapping[str, Any], key: str) -> bytes:
    """Return the body of the object at `key` with these fields, at least one."""
    body = json.dumps(fields, separators=(",", ":")).encode()[:-1]
    return body + _seal_of(body, key)


def unseal(data: bytes, key: str) -> dict[str, Any] | None:
    """Return the fields of the object at `key`; None if it is damaged, belongs to another key, or was never sealed."""
    body, end = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if not body or end != _seal_of(body, key):
        return None
    try:
        fields = json.loads(body + b"}")
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def unseal_or_plain(data: bytes, key: str) -> dict[str, Any] | None:
    """Return the result of `unseal`, or the fields of an object from before objects were sealed, for objects of both
    kinds of code. Such an object has neither a version nor a checksum; damage to a sealed one leaves one of them."""
    fields = unseal(data, key)
    if fields is not None:
        return fields
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return plain if isinstance(plain, dict) and not {"version", "crc32"} & plain.keys() else None


def _seal_of(body: bytes, key: str) -> bytes:
    return b',"crc32":"%08x"}' % zlib.crc32(body, zlib.crc32(key.encode() + b"\n"))
