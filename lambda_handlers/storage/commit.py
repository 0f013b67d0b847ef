"""The create that makes a transaction: what is sent, and what its answer means.

Rules 1 and 3 of `replica` live here. An answer that may be about somebody else's object, or about none, is resolved by
reading the key back and comparing node ids. A small transaction is one body in memory; a large one is encoded anew for
each try, while it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lambda_handlers.object_store import AlreadyExists, NotFound, ObjectStore, Refused, StoreError, Unavailable
from lambda_handlers.storage import ltx
from lambda_handlers.storage.keys import LtxName
from lambda_handlers.storage.layers import Layer
from lambda_handlers.storage.ltx import Encoder, Header, Pgno
from lambda_handlers.storage.page_map import MAP_WORTH_BYTES, PageMapBuilder
from lambda_handlers.wire import SldbError

STREAM_BYTES = 16 << 20  # a transaction of more is encoded while it is sent
COMMIT_TRIES = 3


class Conflict(Exception):
    """Another writer committed first: nothing was applied, and the transaction may run again."""


class Encoding:
    """One LTX file that is to be written. `changes()` gives its pages, ascending, as often as it is asked."""

    def __init__(self, header: Header, changes: Callable[[], Iterable[tuple[Pgno, bytes]]]) -> None:
        self.header = header
        self._changes = changes
        self._layer: Layer | None = None

    def pieces(self) -> Iterator[bytes]:
        encoder, builder = Encoder(self.header), PageMapBuilder(self.header)
        yield encoder.begin()
        for pgno, page in self._changes():
            frame = ltx.compressed(pgno, page)
            encoded = encoder.add(frame)
            builder.add(frame, encoded)
            yield encoded
        yield encoder.finish()
        is_large = encoder.length > MAP_WORTH_BYTES
        self._page_map = builder.build(encoder.length, carry=is_large)

    def layer(self, level: int = 0) -> Layer:
        """The file as a layer, once all pieces have been taken."""
        return Layer(LtxName(level, self.header.min_txid, self.header.max_txid), self._page_map)


def create_transaction(store: ObjectStore, key: str, node_id: int, send: Callable[[], object]) -> None:
    """Returns when the transaction is in the store, which `send` creates at `key` with this node id. Raises Conflict,
    or SldbError `store_error` whose details say whether it was applied: "no", or "unknown" where the store could not be
    asked."""
    doubt: StoreError | None = None
    for _ in range(COMMIT_TRIES):
        try:
            send()
        except Refused as error:
            # An earlier try that nobody answered may still arrive.
            raise store_error(error, applied="unknown" if doubt else "no") from error
        except (AlreadyExists, Unavailable) as error:
            # Both may be about our own object, or about nobody's; only the object itself can tell.
            if _is_mine(store, key, node_id, error):
                return
            doubt = error
        except Exception as error:
            if doubt is None:
                raise
            raise store_error(doubt, applied="unknown") from error
        else:
            return
    assert doubt is not None
    raise store_error(doubt, applied="unknown") from doubt


def sender(store: ObjectStore, key: str, encoding: Encoding, size_bytes: int) -> Callable[[], object]:
    """What creates the file. `size_bytes`: of its pages."""
    if size_bytes > STREAM_BYTES:
        return lambda: store.create_from(key, encoding.pieces())
    body = b"".join(encoding.pieces())
    return lambda: store.create(key, body)


def _is_mine(store: ObjectStore, key: str, node_id: int, doubt: StoreError) -> bool:
    """Whether the object at `key` is this attempt's. False if there is none; Conflict if it is another's."""
    try:
        head = store.get_range(key, 0, ltx.HEADER_BYTES)
    except NotFound:
        return False
    except StoreError as error:
        raise store_error(error, applied="unknown") from doubt
    if Header.decode(head, key).node_id == node_id:
        return True
    raise Conflict(f"{key} was committed by another writer")


def store_error(error: StoreError, applied: str | None = None) -> SldbError:
    """`applied`: whether the transaction that was being committed is in the log: no, unknown, or None for reads."""
    outcome = {
        None: "nothing was changed",
        "no": "nothing was applied",
        "unknown": "it is not known whether the transaction was applied: "
        "the same request sent again with the same request_id tells, and applies it at most once",
    }[applied]
    return SldbError(
        "store_error", f"the object store: {error}; {outcome}", "try again in a moment", key=error.key, applied=applied
    )
