"""The lock as one object per database: taken and released by conditional writes.

The object and its fields are in `lambda_handlers.shared.lock_holder`. Writers replace it and never delete it: the query
function has no right to delete. Every body contains the nonce of its acquire, so that no ETag ever comes back, and a
replace meant for an earlier state always fails.

All locks are below one prefix: the scheduled function finds those older than the maximum age with one LIST, and reads
only these. It frees one that is held, and deletes one that is free, if it is still the version that was read. So a
LIST shows the locks of the last minutes and not those of all databases. (A store that ignores the condition of a
delete may delete a lock that a writer takes at this moment: a broken lock, as others may be.)

A write without a clear answer (see store/protocol.py) is resolved by reading the object back and comparing nonces. A
body that cannot be read, or fails its checksum, is read once more, because the answer may have been damaged. If the
object itself is damaged, it counts as released and is replaced, which the ETag makes safe; its holder is not informed,
and the conditional commit decides, as with any broken lock.
"""

from __future__ import annotations

from contextlib import suppress

from lambda_handlers.host import Host
from lambda_handlers.locks.line import LEAVE_SECONDS, Place, place_of
from lambda_handlers.locks.protocol import Sleep, Sweep
from lambda_handlers.locks.waiting import backoff, lock_timeout, sleep_within, spread, unlock_hint
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.lock_holder import (
    LOCKS_PREFIX,
    Holder,
    decode_object,
    encode_held,
    encode_released,
    lock_key,
    locked_database,
)
from lambda_handlers.store.protocol import (
    AlreadyExists,
    NotFound,
    ObjectStore,
    PreconditionFailed,
    Refused,
    StoreError,
    Unavailable,
    date_of,
)
from lambda_handlers.store_clock import StoreClock
from lambda_handlers.wire import SldbError

FRONT_SECONDS = 0.02  # the first pause of a writer whose turn is near
POLL_SECONDS = 0.25  # at most, between polls: they are plain reads, which no quota limits
AGAIN_SECONDS = 0.02  # after a lost race, when the lock is free again
MAX_ATTEMPTS = 6  # requests in a row that the store refused or did not answer (it has its own retries below that)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The content of the lock object."""

    etag: str | None = None  # None: there is no such object
    holder: Holder | None = None  # None: the lock is free
    released: str = ""  # nonce of the last holder, where it was released
    waited: float = 0.0  # seconds: how long the holder, or the last one, had waited

    def is_held_as(self, lock_id: str) -> bool:
        return self.holder is not None and self.holder.lock_id == lock_id


class ObjectLock:
    def __init__(
        self,
        store: ObjectStore,
        host: Host,
        *,
        max_age_seconds: float,
        retry_seconds: float,
        clock: StoreClock | None = None,
    ) -> None:
        self._store = store
        self._host = host
        self._clock = clock or StoreClock()
        self._max_age_seconds = max_age_seconds
        self._poll_seconds = min(POLL_SECONDS, retry_seconds)
        # The last known content of the locks: taking and releasing an uncontended lock costs one request each.
        self._last: dict[str, _Seen] = {}  # by database
        self.freed_stale = 0

    def acquire(self, database: str, deadline: float, doing: str, sleep: Sleep | None = None) -> Holder:
        host, place, failures = self._host, place_of(self._host, sleep), 0
        seen, nonce = _Seen(), place.nonce
        while True:
            try:
                seen = self._try(database, doing, place)
                if seen.holder and seen.holder.owner == nonce:
                    return seen.holder
                failures = 0
                pause = self._pause(seen, place)
            except StoreError as error:
                failures += 1
                place.tell_no_more()
                if failures == MAX_ATTEMPTS or isinstance(error, Refused):
                    raise _failure(error) from error
                pause = backoff(host, failures)
            try:
                has_time = sleep_within(host, pause, deadline, place)
            except SldbError:
                self._give_back(database, nonce)
                raise
            if not has_time:
                hint = unlock_hint(database, self._max_age_seconds)
                raise lock_timeout(database, seen.holder, host.now(), hint)

    def release(self, lock_id: str, database: str) -> bool:
        seen = self._last.get(database)
        has_asked = False
        for tries in range(1, MAX_ATTEMPTS + 1):
            try:
                if not (seen and seen.is_held_as(lock_id)):
                    seen = self._read(database)
                if not seen.is_held_as(lock_id):
                    return has_asked and seen.released == lock_id
                has_asked = True
                if self._free(database, lock_id, seen.etag):
                    return True
                problem = "it kept changing"
            except StoreError as error:
                problem = str(error)
                if isinstance(error, Refused):
                    break
            seen = None
            self._host.sleep(backoff(self._host, tries))
        raise SldbError(
            "store_error",
            f"the lock {lock_id} of database {database} was not released: {problem}",
            unlock_hint(database, self._max_age_seconds),
            database=database,
        )

    def holders(self) -> list[Holder]:
        try:
            found = [self._read(database) for database in self._listed()]
        except StoreError as error:
            raise _failure(error) from error
        return [seen.holder for seen in found if seen.holder]

    def free_expired(self, deadline: float) -> Sweep:
        try:
            listed = self._listed()
        except StoreError as error:
            raise _failure(error) from error
        old = [database for database, written_at in listed.items() if self._is_old(written_at)]
        freed, failed = [], []
        for database in old:
            if self._host.now() >= deadline:
                break  # the next run continues
            try:
                if holder := self._free_old(database):
                    freed.append(holder)
            except StoreError as error:
                failed.append((Holder("", database, "", None), str(error)))
        return Sweep(len(listed), tuple(freed), (), tuple(failed))

    def _free_old(self, database: str) -> Holder | None:
        """Delete the object of a free lock; free one past its age, and return who held it."""
        seen = self._read(database)
        if seen.holder is None and seen.etag is not None:
            with suppress(StoreError):  # a later run does it
                self._store.delete_version(lock_key(database), seen.etag)
        if seen.holder is None or not seen.holder.is_expired(self._host.now(), self._max_age_seconds):
            return None
        return seen.holder if self._free(database, seen.holder.lock_id, seen.etag) else None

    def _is_old(self, written_at: float) -> bool:
        return abs(self._host.now() - written_at) > self._max_age_seconds

    def _pause(self, seen: _Seen, place: Place) -> float:
        if seen.holder:
            return place.pause_for(seen.holder.lock_id, seen.waited, FRONT_SECONDS, self._poll_seconds)
        return spread(self._host, LEAVE_SECONDS if place.has_left(seen.etag) else AGAIN_SECONDS)

    def _try(self, database: str, doing: str, place: Place) -> _Seen:
        """Take the lock if it is free, and not to be left to others, or past its age; return its content afterwards."""
        seen = self._last.pop(database, None)
        if seen is None or seen.holder or place.has_left(seen.etag):
            seen = self._read(database)
        now = self._host.now()
        if seen.holder and not seen.holder.is_expired(now, self._max_age_seconds):
            return self._remember(database, seen)
        if not seen.holder and seen.etag and place.leaves(seen.etag, seen.waited):
            return self._remember(database, seen)
        self._tell_free(database, seen, place)
        mine = Holder(place.nonce, database, place.nonce, now, doing, waited_seconds=place.waited)
        try:
            etag = self._write(database, encode_held(mine), seen.etag)
        except (AlreadyExists, PreconditionFailed, NotFound):
            return self._remember(database, self._read(database))  # it may be ours nevertheless
        except Unavailable:
            seen = self._read(database)
            if seen.holder is None:
                raise  # not applied, or not yet: the next try has the same nonce
            return self._remember(database, seen)
        self.freed_stale += seen.holder is not None
        self._ask_for_time(database, now)
        return self._remember(database, _Seen(etag, mine, waited=mine.waited_seconds))

    def _tell_free(self, database: str, seen: _Seen, place: Place) -> None:
        """Raise IsFree if the place tells it; its next try finds what was seen."""
        self._remember(database, seen)
        place.tell_free()
        del self._last[database]

    def _give_back(self, database: str, nonce: str) -> None:
        """Release the lock if a try without an answer has taken it. If that fails, its age frees it."""
        with suppress(StoreError):
            seen = self._read(database)
            if seen.is_held_as(nonce):
                self._free(database, nonce, seen.etag)

    def _free(self, database: str, lock_id: str, etag: str | None) -> bool:
        """Release the object; False if it has changed since."""
        last = self._last.pop(database, None)
        waited = last.waited if last else 0.0
        try:
            etag = self._write(database, encode_released(lock_id, database, self._host.now(), waited), etag)
        except (AlreadyExists, PreconditionFailed, NotFound):
            return False
        self._remember(database, _Seen(etag, None, lock_id, waited))
        return True

    def _write(self, database: str, body: bytes, etag: str | None) -> str:
        key = lock_key(database)
        return self._store.create(key, body) if etag is None else self._store.replace(key, body, etag)

    def _ask_for_time(self, database: str, written_at: float) -> None:
        """Report the store's time to the clock, unless it is known: the date of the object that was just written."""
        if self._clock.latest(written_at) is not None:
            return
        key = lock_key(database)
        self._clock.record_write(key, written_at)
        with suppress(StoreError):  # the lock is taken nevertheless
            if (date := date_of(self._store, key)) is not None:
                self._clock.observe_listed(key, date)
                self._clock.confirm(lambda key: date_of(self._store, key))

    def _read(self, database: str) -> _Seen:
        for _ in range(2):
            try:
                body, etag = self._store.get_with_tag(lock_key(database))
            except NotFound:
                return _Seen()
            seen = _decode(body, etag, database)
            if seen is not None:
                return seen
        return _Seen(etag)

    def _remember(self, database: str, seen: _Seen) -> _Seen:
        self._last[database] = seen
        return seen

    def _listed(self) -> dict[str, float]:
        """Return the databases with a lock object, and when each was written: unix seconds by the store's clock."""
        dates = {locked_database(info.key): info.modified_at for info in self._store.list_objects(LOCKS_PREFIX)}
        return {database: written_at for database, written_at in dates.items() if database}


def _decode(body: bytes, etag: str, database: str) -> _Seen | None:
    """Decode the lock; None for a body that no writer puts: a lock without a time would block all writers for ever."""
    lock = decode_object(database, body)
    if lock is None or (lock.holder and lock.holder.created_at is None):
        return None
    return _Seen(etag, lock.holder, lock.released, lock.waited_seconds)


def _failure(error: StoreError) -> SldbError:
    refused = isinstance(error, Refused)
    return SldbError(
        "store_error",
        f"the object store {'refused' if refused else 'did not answer'} a request for the write lock ({error})",
        error.hint if refused else "send it again; if it keeps happening: sldb doctor",
        applied="no",
    )
