"""Merging: one LTX file out of several adjacent ones, in bounded memory. It has the last version of every page and the
last commit.

The files are streamed side by side in the order of their page numbers; compressed pages are copied unchanged. A page
beyond a later file's page count is dropped, and so is everything before a file that emptied the database or changed its
page size. A source with a wrong checksum fails at its end: then the merge fails, and no object is made, because an
object appears only after its last byte has been sent.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.storage.log.copy_mark import check_name
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Frame, Header, Marks
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import Encoder
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.store.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class _Source:
    age: int  # 0 is the newest
    frames: Iterator[Frame]
    end: int  # pages above it were cut off by a later file


class Merge:
    """A merge. `names` are in the order in which they apply; `target` spans them. Take all `pieces`, then request the
    `layer`."""

    def __init__(
        self, store: ObjectStore, database: str, names: Sequence[LtxName], target: LtxName, node_id: int
    ) -> None:
        self._target = target
        decoders = [self._open(store, database, name) for name in names]
        last = decoders[-1].header
        txids = {"min_txid": target.min_txid, "max_txid": target.max_txid}
        self.header = replace(last, **txids, node_id=node_id, has_checksum=True, marks=Marks())
        self._sources = list(_sources(decoders))
        self._layer: Layer | None = None

    @staticmethod
    def _open(store: ObjectStore, database: str, name: LtxName) -> Decoder:
        key = name.key(database)
        decoder = Decoder(store.chunks(key), key)
        check_name(decoder.header, name, key)
        return decoder

    def pieces(self) -> Iterator[bytes]:
        encoder, builder = Encoder(self.header), PageMapBuilder(self.header)
        yield encoder.begin()
        last = 0
        streams = [_with_source(source) for source in self._sources]
        for frame, source in heapq.merge(*streams, key=lambda one: (one[0].pgno, one[1].age)):
            if frame.pgno == last:
                continue  # an older version
            last = frame.pgno
            if frame.pgno <= source.end:
                encoded = encoder.add(frame)
                builder.add(frame, encoded)
                yield encoded
        yield encoder.finish()
        is_large = encoder.length > MAP_WORTH_BYTES
        self._layer = Layer(self._target, builder.build(encoder.length, carry=is_large), is_mapped=is_large)

    @property
    def layer(self) -> Layer:
        assert self._layer is not None, "the pieces have not been taken"
        return self._layer


def _with_source(source: _Source) -> Iterator[tuple[Frame, _Source]]:
    return ((frame, source) for frame in source.frames)


def _sources(decoders: Sequence[Decoder]) -> Iterator[_Source]:
    """Yield the sources from the newest to the oldest that still counts."""
    page_size, end = decoders[-1].header.page_size, decoders[-1].header.commit
    for age, decoder in enumerate(reversed(decoders)):
        header: Header = decoder.header
        if header.page_size != page_size:
            return
        end = min(end, header.commit)
        yield _Source(age, decoder.frames(), end)
        if end == 0:
            return
