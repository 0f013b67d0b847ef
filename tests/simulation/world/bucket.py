"""S3 as one container sees it: every request takes time and may go wrong; an effect happens at one moment.

`Bucket` is the truth: objects by key, conditional writes, strongly consistent, with their write times in whole seconds,
as in S3. `BucketStore` is the container's view: the verbs of `ObjectStore`, each of which is a point at which other
tasks run and faults happen. A LIST comes in small pages, so that it is no snapshot.

Answers may be damaged in transit to a container (damage). A stale answer was right up to a quarter of an hour ago; for
an object that is replaced, at any time before.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambda_handlers.shared.lock_holder import locked_database
from lambda_handlers.store.protocol import (
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectInfo,
    PreconditionFailed,
    Refused,
    StoreError,
    Unavailable,
)
from tests.simulation.checking.ledger import Ledger
from tests.simulation.world.container import Container
from tests.simulation.world.damage import Answer, flipped, may_take, shortened, with_flipped_entry, with_flipped_number
from tests.simulation.world.faults import NOT_APPLIED, Fault, Meeting

LIST_PAGE_KEYS = 7
CHUNK_BYTES = 4096
DOUBT_ATTRACTS = 20.0  # damage to what is read back, since few things are
LATEST_SECONDS = 840.0  # a request that is older than a quarter of an hour is refused for its signature


@dataclass(frozen=True, slots=True)
class Object:
    body: bytes
    modified_at: float

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()


def directory_of(key: str) -> str:
    return key.rpartition("/")[0]


class Bucket:
    def __init__(self, now: Callable[[], float], ledger: Ledger) -> None:
        self._now = now
        self.ledger = ledger
        self._keys: list[str] = []
        self.changes: Counter[str] = Counter()  # of each directory: names that were made or removed
        self.objects: dict[str, Object] = {}
        self._versions: dict[
            str, list[tuple[float, Object | None]]
        ] = {}  # each with the time from which on; None: gone

    def get(self, key: str) -> Object:
        if key not in self.objects:
            raise NotFound(key)
        return self.objects[key]

    def get_earlier(self, key: str, size: float) -> Object:
        """Return an answer from an earlier time; `size` in [0, 1) selects the time."""
        versions = [None, *(version for _, version in self._versions.get(key, ()))]
        found = versions[int(size * len(versions))]
        if found is None:
            raise NotFound(key)
        return found

    def page_earlier(self, prefix: str, after: str | None, seconds: float) -> list[ObjectInfo]:
        """Return a page of a LIST from `seconds` ago."""
        moment = self._now() - seconds
        found = []
        for key in sorted(self._versions):
            if key.startswith(prefix) and key > (after or ""):
                was = [version for time, version in self._versions[key] if time <= moment][-1:]
                found += [ObjectInfo(key, len(it.body), it.modified_at) for it in was if it is not None]
        return found[:LIST_PAGE_KEYS]

    def create(self, key: str, body: bytes, by: Any) -> str:
        if key in self.objects:
            raise AlreadyExists(key)
        return self.put(key, body, by)

    def replace(self, key: str, body: bytes, etag: str, by: Any) -> str:
        if self.get(key).etag != etag:
            raise PreconditionFailed(key)
        return self.put(key, body, by)

    def put(self, key: str, body: bytes, by: Any) -> str:
        if key not in self.objects:
            insort(self._keys, key)
        self.changes[directory_of(key)] += 1  # also by a rename over a name
        self.objects[key] = Object(body, float(int(self._now())))
        self._versions.setdefault(key, []).append((self._now(), self.objects[key]))
        self.ledger.written(key, body, by)
        return self.objects[key].etag

    def delete(self, key: str, by: Any) -> None:
        if self.objects.pop(key, None) is not None:
            self._keys.remove(key)
            self.changes[directory_of(key)] += 1
            self._versions[key].append((self._now(), None))
            self.ledger.deleted(key, by)

    def delete_version(self, key: str, etag: str, by: Any) -> bool:
        found = self.objects.get(key)
        if found is None or found.etag != etag:
            return False
        self.delete(key, by)
        return True

    def page(self, prefix: str, after: str | None) -> list[ObjectInfo]:
        start = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after or ""))
        keys = self._keys[start : start + LIST_PAGE_KEYS]
        found = [(key, self.objects[key]) for key in keys if key.startswith(prefix)]
        return [ObjectInfo(key, len(it.body), it.modified_at, it.etag) for key, it in found]

    def names(self) -> list[str]:
        return sorted({key.split("/", 1)[0] for key in self._keys})


class BucketStore:
    def __init__(self, bucket: Bucket, container: Container) -> None:
        self._bucket = bucket
        self._container = container
        self._is_maintenance = container.name.startswith("sweeper")
        self._doubted: set[str] = set()  # keys whose last write had no clear answer

    def get(self, key: str) -> bytes:
        return self._get(key, lambda found: found.body, flipped)

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        def damaged(answer: tuple[bytes, str], size: float) -> tuple[bytes, str]:
            return flipped(answer[0], size), answer[1]

        return self._get(key, lambda found: (found.body, found.etag), damaged)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._get(key, lambda found: found.body[start : start + length], flipped, Answer.RANGE)

    def size(self, key: str) -> int:
        return self._get(key, lambda found: len(found.body), with_flipped_number, Answer.SIZE)

    def info(self, key: str) -> ObjectInfo:
        def shown(found: Object) -> list[ObjectInfo]:
            return [ObjectInfo(key, len(found.body), found.modified_at, found.etag)]

        (info,) = self._get(key, shown, with_flipped_entry, Answer.INFO)
        return info

    def chunks(self, key: str) -> Iterator[bytes]:
        body = self.get(key)
        yield body[:CHUNK_BYTES]
        for start in range(CHUNK_BYTES, len(body), CHUNK_BYTES):
            yield self._go_on(key, body[start : start + CHUNK_BYTES])

    def _go_on(self, key: str, piece: bytes) -> bytes:
        def answer(meeting: Meeting) -> bytes:
            return flipped(piece, meeting.size) if meeting.fault is Fault.FLIP else piece

        return self._read("go on with", key, answer, may_take(Answer.FILE) - {Fault.SHORT})

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        while page := self._list(prefix, after):
            yield from page
            if len(page) < LIST_PAGE_KEYS:
                return
            after = page[-1].key

    def list_directories(self, prefix: str) -> list[str]:
        assert prefix == ""
        return self._read("list", "/", lambda meeting: self._bucket.names())

    def create(self, key: str, body: bytes) -> str:
        by = self._container.context
        return self._write("create", key, lambda: self._bucket.create(key, body, by), AlreadyExists)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        self.create(key, b"".join(chunks))

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        def piece(part: bytes | CopyOf) -> bytes:
            if isinstance(part, bytes):
                return part
            return self._bucket.get(part.key).body[part.start : part.start + part.length]

        by = self._container.context
        return self._write(
            "assemble", key, lambda: self._bucket.create(key, b"".join(map(piece, parts)), by), AlreadyExists
        )

    def put(self, key: str, body: bytes) -> str:
        by = self._container.context
        return self._write("put", key, lambda: self._bucket.put(key, body, by), None)

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        return None

    def replace(self, key: str, body: bytes, etag: str) -> str:
        by = self._container.context
        return self._write("replace", key, lambda: self._bucket.replace(key, body, etag, by), PreconditionFailed)

    def delete(self, key: str) -> None:
        by = self._container.context
        self._write("delete", key, lambda: self._bucket.delete(key, by), None)

    def delete_version(self, key: str, etag: str) -> bool:
        by = self._container.context
        return bool(self._write("delete", key, lambda: self._bucket.delete_version(key, etag, by), None))

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def close(self) -> None:
        """Do nothing: it has no connections."""

    def _get(
        self,
        key: str,
        take: Callable[[Object], Any],
        damaged: Callable[[Any, float], Any],
        of_file: Answer = Answer.FILE,
    ) -> Any:
        """What `take` gives of the object, or `damaged` makes of that. `of_file`: which answer that is, of an LTX
        file."""

        def answer(meeting: Meeting) -> Any:
            if meeting.fault is Fault.STALE:
                return take(self._bucket.get_earlier(key, meeting.size))
            found = self._bucket.get(key)
            if meeting.fault is Fault.SHORT:
                found = replace(found, body=shortened(found.body, meeting.size))
            return damaged(take(found), meeting.size) if meeting.fault is Fault.FLIP else take(found)

        verb = "head" if of_file is Answer.SIZE else "get"
        if not key.endswith(".ltx"):
            is_lock = locked_database(key) is not None
            return self._read(verb, key, answer, may_take(Answer.LOCK if is_lock else Answer.ADVICE))
        if key in self._doubted:
            return self._read(verb, key, answer, may_take(Answer.DOUBT), DOUBT_ATTRACTS)
        return self._read(verb, key, answer, may_take(of_file))

    def _list(self, prefix: str, after: str | None) -> list[ObjectInfo]:
        def answer(meeting: Meeting) -> list[ObjectInfo]:
            if meeting.fault is Fault.STALE:
                return self._bucket.page_earlier(prefix, after, LATEST_SECONDS * meeting.size)
            if meeting.fault is Fault.SHORT:
                raise Unavailable(prefix, "what came is no XML")
            page = self._bucket.page(prefix, after)
            return with_flipped_entry(page, meeting.size) if meeting.fault is Fault.FLIP else page

        if not self._is_maintenance:
            return self._read("list", prefix, answer, may_take(Answer.LIST))
        page: list[ObjectInfo] = self._read("list", prefix, answer, may_take(Answer.LIST_FOR_MAINTENANCE))
        self._bucket.ledger.work_items.listed((info.key for info in page), self._container.context)
        return page

    def _read(
        self,
        verb: str,
        key: str,
        act: Callable[[Meeting], Any],
        damage: frozenset[Fault] = frozenset(),
        likely: float = 1.0,
    ) -> Any:
        container = self._container
        meeting = container.meet(container.faults.at_read, verb, key, damage=damage, likely=likely)
        if not container.go(meeting):
            raise Refused(key, "RequestTimeTooSkewed")
        if meeting.fault in NOT_APPLIED:
            raise Unavailable(key, meeting.fault.value)
        try:
            return act(meeting)
        finally:
            container.come_back(meeting)

    def _write(self, verb: str, key: str, act: Callable[[], Any], clash: type[StoreError] | None) -> Any:
        try:
            answer = self._write_once(verb, key, act, clash)
        except StoreError:
            if key.endswith(".ltx"):
                self._doubted.add(key)
            raise
        self._doubted.discard(key)
        return answer

    def _write_once(self, verb: str, key: str, act: Callable[[], Any], clash: type[StoreError] | None) -> Any:
        container, world = self._container, self._container.world
        meeting = container.meet(container.faults.at_write, verb, key)
        if not container.go(meeting):
            raise Refused(key, "RequestTimeTooSkewed")
        fault = meeting.fault
        if fault is Fault.LATE:
            world.at(world.now + LATEST_SECONDS * meeting.size**4, lambda: _unheard(act))
        if fault in NOT_APPLIED or fault is Fault.LATE:
            raise Unavailable(key, fault.value)
        if fault is Fault.REFUSE:
            raise Refused(key, fault.value)
        if fault is Fault.CLASH and clash is not None:
            raise clash(key)
        try:
            answer = act()
        finally:
            container.come_back(meeting)
        if fault is Fault.TWICE:
            world.at(world.now + LATEST_SECONDS * meeting.size**4, lambda: _unheard(act))
        if fault is Fault.LOSE_ANSWER:
            raise Unavailable(key, fault.value)
        if fault is Fault.OWN and clash is not None:
            raise clash(key)
        if fault is Fault.DENIED:
            raise Refused(key, fault.value)
        return answer


def _unheard(act: Callable[[], Any]) -> None:
    try:
        act()
    except StoreError:
        return  # as S3 would have answered, had anybody listened
