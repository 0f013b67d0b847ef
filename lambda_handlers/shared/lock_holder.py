"""The holder of a write lock, as a lock stores it: a security group's name and tags, or a lock object. Pure.

    group   name  sldb-lock-<stack>-<database>, or sldb-lock-<stack>.<database> where the database has a hyphen in its
                  name
            tags  CreateTime (unix seconds), Owner (nonce), sldb:stack, sldb:database, sldb:doing; sldb:waited (seconds)
                  if its holder had to wait
    object  _locks/<database>/lock.json, sealed:
            {"version": 2, "owner": nonce, "created_at", "doing", "database"} while a writer has the lock, then
            {"version": 2, "owner": null, "released": nonce, "released_at", "database"}

All objects are below one prefix, so that a LIST finds them. Earlier versions' functions had theirs at
<database>/lock.json: these are not looked at, and the two do not wait for each other.

The only place that encodes and decodes these names, tags and fields. `lambda_handlers.locks` takes and frees the locks
with it, and `sldb.stack.lock_groups` and `sldb.stack.lock_objects` show and free them from outside.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.shared.patterns import pattern
from lambda_handlers.shared.sealed_json import seal, unseal

GROUP_PREFIX = "sldb-lock-"
CREATE_TIME_TAG, OWNER_TAG = "CreateTime", "Owner"
STACK_TAG, DATABASE_TAG, DOING_TAG = "sldb:stack", "sldb:database", "sldb:doing"
WAITED_TAG = "sldb:waited"
MAX_TAG_CHARACTERS = 256
OBJECT_VERSION = 2
LOCKS_PREFIX = "_locks/"
_LOCK_KEY = pattern(rf"{LOCKS_PREFIX}([a-z0-9-]+)/lock\.json")
_READABLE_STACK = pattern(r"[a-z0-9-]{1,128}")  # as sldb deploy takes them; SLDB_STACK may say another


@dataclass(frozen=True, slots=True)
class Holder:
    """The writer that has a lock."""

    lock_id: str  # frees this very lock, unique per acquire: the group's id, or the owner that the object names
    database: str
    owner: str  # nonce of the acquire; "process <pid>" where the operating system keeps the lock
    created_at: float | None  # unix seconds, by the holder's clock; None where the lock does not say
    doing: str = ""  # the purpose, such as "INSERT users"; never a value
    etag: str | None = None  # of a lock object, where its reader needs it to free the lock
    waited_seconds: float = field(default=0.0, compare=False)  # for the lock, while others had it: see locks.line

    def age_seconds(self, now: float) -> float | None:
        return None if self.created_at is None else max(0.0, now - self.created_at)

    def is_expired(self, now: float, max_age_seconds: float) -> bool:
        """Return True if the writer must be gone: also if the time of creation is as far in the future, because only a
        broken clock reports that. False if that time is not known."""
        return self.created_at is not None and abs(now - self.created_at) > max_age_seconds

    def encode(self, now: float) -> dict[str, Any]:
        age = self.age_seconds(now)
        return {
            "lock_id": self.lock_id,
            "database": self.database,
            "owner": self.owner,
            "created_at": self.created_at,
            "age_seconds": None if age is None else round(age, 3),
            "doing": self.doing,
        }


@dataclass(frozen=True, slots=True)
class LockObject:
    """The content of a lock object."""

    holder: Holder | None = None  # None: the lock is free
    released: str = ""  # id of the last lock, if its writer released it
    waited_seconds: float = 0.0  # of the holder, or of the last one


def group_name(stack: str, database: str) -> str:
    """Return a name that no other pair has, even for EC2, which ignores case.

    With `-` the database follows the last hyphen, with `.` the only dot, and no stack precedes a digest. Without a VPC
    of its own, two stacks would otherwise share the lock of a database `b-c` of `a` and of `c` of `a-b`."""
    if not _READABLE_STACK.fullmatch(stack):
        from hashlib import sha256

        return f"{GROUP_PREFIX}.{sha256(f'{stack}/{database}'.encode()).hexdigest()}"
    return f"{GROUP_PREFIX}{stack}{'.' if '-' in database else '-'}{database}"


def group_filters(stack: str, vpc_id: str | None, database: str | None = None) -> dict[str, str]:
    """Return EC2's filters for the lock groups of a stack, or of one of its databases. They select by the tags, and not
    by the name: earlier versions named some groups otherwise."""
    filters = {f"tag:{STACK_TAG}": stack}
    if database is not None:
        filters[f"tag:{DATABASE_TAG}"] = database
    if vpc_id:
        filters["vpc-id"] = vpc_id
    return filters


def encode_tags(
    stack: str, database: str, owner: str, created_at: float, doing: str, waited_seconds: float = 0.0
) -> dict[str, str]:
    """Return the tags of a lock group. `doing` is text for a tag (`tag_text`)."""
    waited = {WAITED_TAG: f"{waited_seconds:.3f}"} if waited_seconds > 0 else {}
    return {
        CREATE_TIME_TAG: f"{created_at:.3f}",
        OWNER_TAG: owner,
        STACK_TAG: stack,
        DATABASE_TAG: database,
        DOING_TAG: doing,
        **waited,
    }


def tag_text(text: str) -> str:
    """Return the part of a text that EC2 accepts as a tag's value: letters, digits, blanks and + - = . _ : / @, up to
    256 characters."""
    return re.sub(r"[^\w+\-=.:/@]+", " ", text, flags=re.ASCII).strip()[:MAX_TAG_CHARACTERS]


def is_group_name(name: str) -> bool:
    """Return True for the name of a lock group of any stack, also of earlier versions."""
    return name.startswith(GROUP_PREFIX)


def decode_group(group_id: str, name: str, tags: Mapping[str, str]) -> Holder:
    """Return the holder of the lock represented by a security group."""
    return Holder(
        lock_id=group_id,
        database=tags.get(DATABASE_TAG) or _database_in(name, tags.get(STACK_TAG)),
        owner=tags.get(OWNER_TAG, ""),
        created_at=_seconds(tags.get(CREATE_TIME_TAG)),
        doing=tags.get(DOING_TAG, ""),
        waited_seconds=max(0.0, _seconds(tags.get(WAITED_TAG)) or 0.0),
    )


def lock_key(database: str) -> str:
    """Return the key of the lock object, below the store's prefix."""
    return f"{LOCKS_PREFIX}{database}/lock.json"


def locked_database(key: str) -> str | None:
    """Return the database of a lock object; None for any other key."""
    match = _LOCK_KEY.fullmatch(key)
    return match[1] if match else None


def encode_held(holder: Holder) -> bytes:
    """Return the lock object while this writer has the lock."""
    fields = {
        "version": OBJECT_VERSION,
        "owner": holder.owner,
        "created_at": holder.created_at,
        "doing": holder.doing,
        "database": holder.database,
        **_waited(holder.waited_seconds),
    }
    return seal(fields, lock_key(holder.database))


def encode_released(lock_id: str, database: str, now: float, waited_seconds: float = 0.0) -> bytes:
    """Return the lock object after this lock, freed at `now` (unix seconds)."""
    fields = {
        "version": OBJECT_VERSION,
        "owner": None,
        "released": lock_id,
        "released_at": now,
        "database": database,
        **_waited(waited_seconds),
    }
    return seal(fields, lock_key(database))


def decode_object(database: str, body: bytes, etag: str | None = None) -> LockObject | None:
    """Return the content of a lock object; None for a body that no writer has put: writers consider such a lock
    free."""
    fields = unseal(body, lock_key(database)) or {}
    owner = fields.get("owner")
    waited = _waited_in(fields)
    if owner is None and "released" in fields:
        return LockObject(released=str(fields["released"]), waited_seconds=waited)
    if not isinstance(owner, str) or not owner:
        return None
    created_at = fields.get("created_at")
    known_at = _seconds(created_at) if isinstance(created_at, (int, float)) else None
    holder = Holder(owner, database, owner, known_at, str(fields.get("doing", "")), etag, waited)
    return LockObject(holder, waited_seconds=waited)


def _database_in(name: str, stack: str | None) -> str:
    """Return the database in a group's name; empty where its stack is not known."""
    own = f"{GROUP_PREFIX}{stack}"
    return name[len(own) + 1 :] if stack and name.startswith((f"{own}-", f"{own}.")) else ""


def _waited(seconds: float) -> dict[str, float]:
    return {"waited": round(seconds, 3)} if seconds > 0 else {}


def _waited_in(fields: Mapping[str, object]) -> float:
    return max(0.0, _seconds(fields.get("waited")) or 0.0)


def _seconds(text: object) -> float | None:
    try:
        seconds = float(str(text))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
