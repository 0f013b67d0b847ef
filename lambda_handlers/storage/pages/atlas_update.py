"""The atlas of a writer: page maps go there from the head when it has no room for copies of them.

So a cold reader needs no request for each of many large transactions before the first pass of maintenance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.opening import WHOLE_CHAIN_BYTES
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES
from lambda_handlers.storage.pages.page_map_binding import decoded, unbind
from lambda_handlers.store.protocol import NotFound, ObjectStore

_WORTH_AN_ATLAS = 2  # page maps that a reader would request one by one


def with_atlas(
    store: ObjectStore, database: str, files: Sequence[HeadFile], copies: Mapping[LtxName, bytes]
) -> Sequence[HeadFile]:
    """Return the files of a head with these copies, with their presence in the atlas. Write an atlas with all page maps
    if a reader needs several beside those there and in the copies; as in a pass of maintenance, it has no more bytes
    than the files missing from it. Raises StoreError."""
    lacking = [file for file in files if file.size > MAP_WORTH_BYTES and file.is_mapped and not file.in_atlas]
    uncopied = sum(file.name not in copies for file in lacking)
    if uncopied < _WORTH_AN_ATLAS or sum(file.size for file in files) <= WHOLE_CHAIN_BYTES:
        return files
    there = atlas.read(store, database) if any(file.in_atlas for file in files) else {}
    maps = {file.name: there[file.name] for file in files if file.in_atlas and file.name in there}
    maps.update((file.name, body) for file in lacking if (body := _map_of(store, database, file, copies)))
    if sum(map(len, maps.values())) > sum(file.size for file in lacking):
        return files
    atlas.put(store, database, atlas.encode(maps, database))
    return [replace(file, in_atlas=file.name in maps) for file in files]


def _map_of(store: ObjectStore, database: str, file: HeadFile, copies: Mapping[LtxName, bytes]) -> bytes:
    """Return the page map of a file as the atlas has it; nothing if it is missing or damaged."""
    try:
        body = copies.get(file.name) or store.get(file.name.page_map_key(database))
    except NotFound:
        return b""
    body = unbind(body, file.name, database)
    return body if decoded(body, file) else b""
