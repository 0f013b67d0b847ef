"""One LTX file out of several adjacent ones, in bounded memory: the last version of every page, the last commit.

The files stream through side by side in the order of their page numbers; compressed pages are copied as they are. A
page that a later file cut off is dropped, and so is everything before a file that emptied the database or gave it
another page size. A source whose checksum fails says so when it ends: the merge fails with it, and nothing is made,
because an object only comes to be when its last byte has been sent.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Frame, Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import Encoder
from lambda_handlers.storage.log.mark import check_name
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES, PageMapBuilder
from lambda_handlers.store.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class _Source:
    age: int  # 0 is the newest
    frames: Iterator[Frame]
    end: int  # pages above it were cut off by a later file


class Merge:
    """`names` in the order in which they apply; `target` spans them. Take all `pieces`, then ask for the `layer`."""

    def __init__(
        self, store: ObjectStore, database: str, names: Sequence[LtxName], target: LtxName, node_id: int
    ) -> None:
        self._target = target
        decoders = [self._open(store, database, name) for name in names]
        last = decoders[-1].header
        txids = {"min_txid": target.min_txid, "max_txid": target.max_txid}
        self.header = replace(last, **txids, node_id=node_id, has_checksum=True)
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
    """From the newest to the oldest that still counts."""
    page_size, end = decoders[-1].header.page_size, decoders[-1].header.commit
    for age, decoder in enumerate(reversed(decoders)):
        header: Header = decoder.header
        if header.page_size != page_size:
            return
        end = min(end, header.commit)
        yield _Source(age, decoder.frames(), end)
        if end == 0:
            return
