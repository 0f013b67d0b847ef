"""A write lock that a writer holds, as a security group's tags or a lock object tell it. Pure.

What writes them is `lambda_handlers.locks`; who frees them from outside is `locks` and `deploy.locks`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_handlers.shared.sealed import seal, unseal_or_plain


@dataclass(frozen=True, slots=True)
class HeldLock:
    lock_id: str  # what frees this very lock: the group's id, or the owner that the object names
    database: str
    owner: str
    created_at: float | None  # unix seconds, by the holder's clock; None where the lock does not say
    doing: str = ""  # such as "INSERT users"
    etag: str | None = None  # of an object

    def age_seconds(self, now: float) -> float | None:
        return None if self.created_at is None else max(0.0, now - self.created_at)


def of_group(group: Mapping[str, Any]) -> HeldLock:
    """The lock that a security group of EC2's answer is."""
    tags = {tag["Key"]: tag["Value"] for tag in group.get("Tags", ())}
    database = tags.get("sldb:database") or group["GroupName"].removeprefix(f"sldb-lock-{tags.get('sldb:stack')}")[1:]
    created_at = _seconds(tags.get("CreateTime"))
    return HeldLock(group["GroupId"], database, tags.get("Owner", ""), created_at, tags.get("sldb:doing", ""))


def of_object(database: str, body: bytes, etag: str | None = None) -> HeldLock | None:
    """The lock that `<database>/lock.json` is; None where it is released, damaged, or says nothing."""
    fields = fields_of(database, body)
    owner = fields.get("owner")
    if not isinstance(owner, str) or not owner:
        return None
    return HeldLock(owner, database, owner, _seconds(fields.get("created_at")), str(fields.get("doing", "")), etag)


def fields_of(database: str, body: bytes) -> Mapping[str, Any]:
    """What a lock object says; nothing where it is none, or damaged: writers take it for free."""
    return unseal_or_plain(body, _key(database)) or {}


def released(lock: HeldLock, now: float) -> bytes:
    """The lock object after this lock, freed at `now` (unix seconds)."""
    fields = {"version": 2, "owner": None, "released": lock.lock_id, "released_at": now, "database": lock.database}
    return seal(fields, _key(lock.database))


def _key(database: str) -> str:
    """Below the stack's prefix."""
    return f"{database}/lock.json"


def _seconds(text: object) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
