"""Page maps in the store: found, and made for a file without a trusted map.

Only a reader of all of a file can compare its checksum. Only then may a page of it be trusted, or a map of it be put.
So a file without a map, or with a damaged one, is read whole once, in ranges, with little of it in memory (`mapping`);
the map goes to the store for later readers. If a damaged object lies at the map's name, it goes to the second one.

A reader does so if its time allows; otherwise the file is `NotMapped`. The scheduled function (compaction) has more
time, and continues after the progress of its last call.
"""

from __future__ import annotations

from collections.abc import Callable

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.mapping import TRIES, FileMapping, MappingProgress, Pace
from lambda_handlers.storage.pages.not_mapped import NotMapped
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.storage.pages.page_map_binding import bind, decoded, unbind
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore
from lambda_handlers.wire import SldbError

MAPPED_RANGE_BYTES = 4 << 20
LOOK_AGAIN_SECONDS = 2.0  # for a map that another reader has put meanwhile
SAVE_SECONDS = 60.0  # between two times that progress is put


@dataclass(frozen=True, slots=True)
class Found:
    """The objects at the names of a file's map."""

    page_map: PageMap | None
    key: str | None  # where it lies
    damaged: tuple[str, ...]  # keys of objects that are not a map of the file
    free: str | None  # a key at which one may be created


@dataclass(frozen=True, slots=True)
class Mapper:
    """The mapper of one database. Raises StoreError, or SldbError `corrupt` for a damaged file."""

    store: ObjectStore
    database: str
    host: Host
    range_bytes: int = field(default_factory=lambda: MAPPED_RANGE_BYTES)

    def look(self, file: HeadFile) -> Found:
        """Return the objects at the names of a file's map."""
        damaged: list[str] = []
        free: str | None = None
        for key in file.name.page_map_keys(self.database):
            for _ in range(TRIES):
                try:
                    found = decoded(unbind(self.store.get(key), file.name, self.database), file)
                except NotFound:
                    free = free or key
                    break
                if found is not None:
                    return Found(found, key, tuple(damaged), free)
            else:
                damaged.append(key)
        return Found(None, None, tuple(damaged), free)

    def put(self, page_map: PageMap, name: LtxName, key: str) -> int:
        """Put a map, and return the bytes written: none if another reader was faster. `key`: one of the two for the
        file's map."""
        body = bind(page_map.encode(), name, self.database)
        try:
            self.store.create(key, body)
        except AlreadyExists:
            return 0
        return len(body)

    def make(
        self, file: HeadFile, deadline: float = float("inf"), put: Callable[[Pgno, bytes], None] | None = None
    ) -> tuple[PageMap, bool]:
        """Return the map of a file, and whether it was made here: by reading all of it, unless another reader has put
        one meanwhile. `put` gets the pages; none may be trusted before the map is made here. Raises NotMapped if that
        would take longer than until `deadline` (unix seconds)."""
        key = file.name.key(self.database)
        pace = Pace(self.host.now, file.size, deadline)
        if not pace.is_possible:
            raise NotMapped(file, key)
        mapping = FileMapping(self.store, self.host, file, key, self.range_bytes)
        looked_at = self.host.now()
        for position in mapping.steps(put):
            if not pace.is_enough_at(position):
                raise NotMapped(file, key)
            if self.host.now() - looked_at >= LOOK_AGAIN_SECONDS:
                if (found := self.look(file).page_map) is not None:
                    return found, False
                looked_at = self.host.now()
        return mapping.page_map, True

    def resume(self, file: HeadFile, deadline: float) -> PageMap | None:
        """Return the map of a file, from the end of an earlier call; None if this one stops at `deadline`. Progress is
        kept in the store."""
        key = file.name.map_progress_key(self.database)
        begun = self._progress(key, file)
        mapping = FileMapping(self.store, self.host, file, file.name.key(self.database), self.range_bytes, begun)
        saved_at, is_kept = self.host.now(), False
        try:
            for _ in mapping.steps():
                is_over = self.host.now() >= deadline
                if is_over or self.host.now() - saved_at >= SAVE_SECONDS:
                    self.store.put(key, mapping.progress())
                    saved_at, is_kept = self.host.now(), True
                if is_over:
                    return None
        except SldbError as error:
            # The next call begins again: the kept progress may be of another file, or was damaged in transit.
            if error.code == "corrupt" and (begun is not None or is_kept):
                self.store.delete(key)
            raise
        return mapping.page_map

    def forget_progress(self, file: HeadFile) -> None:
        """Delete the progress of a file."""
        self.store.delete(file.name.map_progress_key(self.database))

    def _progress(self, key: str, file: HeadFile) -> MappingProgress | None:
        try:
            return MappingProgress.decode(self.store.get(key), file)
        except NotFound:
            return None
