"""Copies: the small files of a chain, and the page maps of its large ones, in the head itself.

A cold reader then needs no request for them. A copy is the whole object: a file with its checksum, a page map bound to
its file. A copy is a hint like the head itself: if it does not fit its file, the object is read in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.opening import WHOLE_CHAIN_BYTES
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES

MAX_COPIES_BYTES = 256 << 10  # in a head
MAX_COPY_BYTES = MAP_WORTH_BYTES
_KEPT_BYTES = 1 << 20  # in memory, for the next head


class Copies:
    """The objects read or written lately by a container, as far as a head may take copies of them."""

    def __init__(self) -> None:
        self._bodies: dict[LtxName, bytes] = {}  # the newest comes last
        self._size = 0

    def note(self, name: LtxName, body: bytes | None) -> None:
        """Keep the body of a small file, or the page map of a large one."""
        if body is None or len(body) > MAX_COPY_BYTES:
            return
        self._size += len(body) - len(self._bodies.pop(name, b""))
        self._bodies[name] = body
        while self._size > _KEPT_BYTES:
            self._size -= len(self._bodies.pop(next(iter(self._bodies))))

    def clear(self) -> None:
        """Forget all of them."""
        self._bodies.clear()
        self._size = 0

    def of(self, files: Sequence[HeadFile], seen: Mapping[LtxName, bytes]) -> dict[LtxName, bytes]:
        """Return the copies for a head with these files. `seen`: those of the head before."""
        return chosen(files, {**seen, **self._bodies})


def chosen(files: Sequence[HeadFile], bodies: Mapping[LtxName, bytes]) -> dict[LtxName, bytes]:
    """Return as many of the bodies as a head with these files may have and its reader can use: the smallest."""
    is_small = sum(file.size for file in files) <= WHOLE_CHAIN_BYTES  # then it reads files, and no page maps
    usable = [
        (file.name, bodies[file.name])
        for file in files
        if file.name in bodies and not file.in_atlas and not (is_small and file.size > MAP_WORTH_BYTES)
    ]
    taken: dict[LtxName, bytes] = {}
    left = MAX_COPIES_BYTES
    for name, body in sorted(usable, key=lambda item: len(item[1])):
        left -= len(body)
        if left < 0:
            break
        taken[name] = body
    return taken
