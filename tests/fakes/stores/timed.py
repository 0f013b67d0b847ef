"""A store with simulated ages of objects, and deaths at any of its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from lambda_handlers.store.protocol import ObjectInfo, ObjectStore, Unavailable
from tests.fakes.clock import Clock


class Timed:
    """A store with ages of objects by a simulated clock; it can be killed at any of its calls."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._written: dict[str, float] = {}
        self.deleted: list[str] = []
        self.calls_left: int | None = None  # before it dies
        self.before: Callable[[str, str], object] = lambda _verb, _key: None

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        self._called("list_objects", prefix)
        for info in list(self._store.list_objects(prefix, after)):
            yield replace(info, modified_at=self._written[info.key])

    def info(self, key: str) -> ObjectInfo:
        self._called("info", key)
        return replace(self._store.info(key), modified_at=self._written[key])

    def delete_many(self, keys: list[str]) -> None:
        for key in keys:
            self._called("delete", key)
            self.deleted.append(key)
            self._store.delete(key)

    def __getattr__(self, verb: str) -> Any:
        act = getattr(self._store, verb)

        def call(key: str, *arguments: Any) -> Any:
            self._called(verb, key)
            if verb == "create_from":
                arguments = (b"".join(arguments[0]),)
                result = self._store.create(key, *arguments)
            else:
                result = act(key, *arguments)
            if verb in ("create", "create_from", "replace", "put", "assemble"):
                self._written[key] = self._clock.time
            return result

        return call

    def _called(self, verb: str, key: str) -> None:
        self.before(verb, key)
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise Unavailable(key, "killed")
            self.calls_left -= 1
