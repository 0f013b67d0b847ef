"""A list of any number of names as a store, with the counts of its requests."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from operator import attrgetter

from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.store.protocol import NotFound, ObjectInfo

SIZE = 200  # bytes, of each file


def _key(txid: int) -> str:
    return transaction(txid).key("main")


class ListedStore:
    """The database `main`: the files of `dates`, and a file for each transaction of `singles`, dated by `dated`. Dates
    are unix seconds, and the times in the headers too, unless `times` has another. `page_keys`: of one page of a
    LIST."""

    def __init__(
        self,
        dates: Mapping[LtxName, float],
        singles: range = range(0),
        dated: Callable[[int], float] = float,
        page_keys: int = 1000,
        others: Iterable[str] = (),
    ) -> None:
        self.infos = {name.key("main"): ObjectInfo(name.key("main"), SIZE, date) for name, date in dates.items()}
        self.infos |= {key: ObjectInfo(key, 1, 0.0) for key in others}
        self.keys = sorted(self.infos)
        self.singles = singles
        self.dated = dated
        self.times: dict[LtxName, float] = {}
        self.page_keys = page_keys
        self.asked: Counter[str] = Counter()

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        self.asked["LIST"] += 1
        start = max(prefix, after or "")
        singles = self.singles[bisect_right(self.singles, start, key=_key) :]
        named = self.keys[bisect_right(self.keys, start) :]
        both = merge(map(self._single, singles), map(self.infos.__getitem__, named), key=attrgetter("key"))
        for number, info in enumerate(both, start=1):
            if not info.key.startswith(prefix):
                return
            yield info
            if number % self.page_keys == 0:
                self.asked["LIST"] += 1

    def _single(self, txid: int) -> ObjectInfo:
        return ObjectInfo(_key(txid), SIZE, self.dated(txid))

    def _info(self, key: str) -> ObjectInfo:
        name = parse_ltx_key("main", key)
        if name is not None and name.level == 0 and name.max_txid in self.singles:
            return self._single(name.max_txid)
        if key not in self.infos:
            raise NotFound(key)
        return self.infos[key]

    def info(self, key: str) -> ObjectInfo:
        self.asked["HEAD"] += 1
        return self._info(key)

    def size(self, key: str) -> int:
        return self.info(key).size

    def get(self, key: str) -> bytes:
        self.asked["GET"] += 1
        info, name = self._info(key), parse_ltx_key("main", key)
        if name is None:
            raise NotFound(key)
        header = Header(512, 1, name.min_txid, name.max_txid, round(self.times.get(name, info.modified_at) * 1000))
        return encode_ltx(header, [(Pgno(1), bytes(512))])

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.get(key)[start : start + length]

    def delete_many(self, keys: Iterable[str]) -> None:
        self.asked["DELETE"] += 1
        for key in keys:
            del self.infos[key]
            self.keys.remove(key)
