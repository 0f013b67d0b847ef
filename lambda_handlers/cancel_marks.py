"""Cancel marks: the requests to stop, as small objects below `_cancel/`. The action `cancel` writes them, and a running
request finds its own there (`deadline.Watch`).

    {"marks":[{"attempt":"5f0c…","at":1800000000.0,"caller":""}],"crc32":"…"}

One object has the marks of one request id of one database. A request id may be sent again after it was cancelled, and a
mark must not stop that later request. Therefore:

- A mark with an `attempt` stops the attempt of that name only, also one that arrives after the mark.
- A mark without one stops the attempts that began before it, by the clocks of the two functions.
- A mark expires after half an hour. No request runs that long.

A caller may cancel its own requests, an operator every one. A direct invocation is an operator's; its name as a caller
is "". The id here is `Caller.own_id`: the marks of one caller do not take the room of another's.

Marks only stop work, so a damaged object counts as absent. In a bucket the lifecycle rule of the stack removes old
objects, because the query function may delete nothing; in a directory each new mark does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.storage.log.keys import cancel_key, cancel_prefix
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import (
    AlreadyExists,
    NotFound,
    ObjectStore,
    PreconditionFailed,
    StoreError,
    Unavailable,
)
from lambda_handlers.store_clock import SKEW_SECONDS

OPERATOR = ""
VALID_SECONDS = 1800.0  # of a mark; Lambda's longest run is 900
KEPT_SECONDS = 86_400.0  # of an object, in a directory
MAX_MARKS = 50  # of one request id
MAX_TRIES = 5
_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Running:
    """A running request."""

    database: str
    request_id: str  # as `Caller.own_id` has it
    attempt: str | None
    began_at: float  # unix seconds
    caller: str = OPERATOR

    @property
    def key(self) -> str:
        return key_of(self.database, self.request_id)


@dataclass(frozen=True, slots=True)
class Mark:
    attempt: str | None  # None: all that began before the mark
    at: float  # unix seconds
    caller: str = OPERATOR

    def is_for(self, running: Running, now: float) -> bool:
        """Return True if the mark stops the request. `now`: unix seconds."""
        if not -SKEW_SECONDS <= now - self.at <= VALID_SECONDS or self.caller not in (OPERATOR, running.caller):
            return False
        return self.at >= running.began_at if self.attempt is None else self.attempt == running.attempt


def key_of(database: str, request_id: str) -> str:
    """Return the key of the marks of a request. An id has any characters and 300 at most; its hash is a name."""
    return cancel_key(hashlib.sha256(f"{database}\0{request_id}".encode()).hexdigest()[:_ID_DIGITS])


def is_cancelled(store: ObjectStore, running: Running, now: float) -> bool:
    """Return True if the store has a mark for the request. `now`: unix seconds."""
    try:
        body = store.get(running.key)
    except StoreError:  # absent, or without an answer: then the next look shows it
        return False
    return any(mark.is_for(running, now) for mark in _decode(body, running.key))


def add(store: ObjectStore, key: str, mark: Mark) -> None:
    """Put a mark into the store. Raises SldbError `store_error`."""
    try:
        _add(store, key, mark)
        if store.presign("GET", [key], 1.0) is None:
            _remove_old(store)
    except StoreError as error:
        raise store_error(error) from error


def _add(store: ObjectStore, key: str, mark: Mark) -> None:
    for tries_left in reversed(range(MAX_TRIES)):
        try:
            body, etag = store.get_with_tag(key)
            marks = _decode(body, key)
        except NotFound:
            marks, etag = (), ""
        if mark in marks:  # the answer to an earlier try was lost
            return
        valid = [one for one in marks if mark.at - one.at <= VALID_SECONDS]
        body = _encode((*valid[1 - MAX_MARKS :], mark), key)
        try:
            if etag:
                store.replace(key, body, etag)
            else:
                store.create(key, body)
        except (AlreadyExists, PreconditionFailed, NotFound, Unavailable):  # another mark, or this one
            if not tries_left:
                raise
        else:
            return


def _encode(marks: tuple[Mark, ...], key: str) -> bytes:
    return seal({"marks": [{name: getattr(mark, name) for name in mark.__match_args__} for mark in marks]}, key)


def _decode(body: bytes, key: str) -> tuple[Mark, ...]:
    fields = unseal(body, key) or {}
    found = fields.get("marks")
    return tuple(filter(None, map(_decode_mark, found))) if isinstance(found, list) else ()


def _decode_mark(fields: Any) -> Mark | None:
    """Return the mark; None for fields that no mark has."""
    if not isinstance(fields, Mapping):
        return None
    attempt, at, caller = fields.get("attempt"), fields.get("at"), fields.get("caller")
    if not (isinstance(attempt, (str, type(None))) and isinstance(at, (int, float)) and isinstance(caller, str)):
        return None
    return Mark(attempt, float(at), caller)


def _remove_old(store: ObjectStore) -> None:
    written_at = {info.key: info.modified_at for info in store.list_objects(cancel_prefix())}
    now = max(written_at.values(), default=0.0)  # by the store's clock
    if old := [key for key, at in written_at.items() if at < now - KEPT_SECONDS]:
        store.delete_many(old)
