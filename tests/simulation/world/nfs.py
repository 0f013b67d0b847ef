"""A directory on NFS as one container sees it: the bucket, behind a client that remembers which names are absent.

The client answers a look-up of an absent name from its memory until it notices that the directory has changed: when it
makes or removes a name in it itself, when the directory is listed, when it is opened (what `lookups.confirmed` does),
or a minute later by its own clock, which stands still while the container is frozen. All else asks the server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.store import lookups
from lambda_handlers.store.protocol import NotFound
from tests.simulation.world.bucket import Bucket, BucketStore, Object, directory_of
from tests.simulation.world.container import Container
from tests.simulation.world.damage import Answer

REMEMBERED_SECONDS = 60.0  # acdirmax


@dataclass(slots=True)
class _Known:
    """What the client knows of a directory."""

    change: int  # the number of changes by the last answer about its attributes
    asked_at: float
    absent: dict[str, int] = field(default_factory=dict)  # names, each with `change` before its look-up


class NfsStore(BucketStore):
    def __init__(self, bucket: Bucket, container: Container) -> None:
        super().__init__(bucket, container)
        self._directories: dict[str, _Known] = {}

    def _get(
        self,
        key: str,
        take: Callable[[Object], Any],
        damaged: Callable[[Any, float], Any],
        of_file: Answer = Answer.FILE,
    ) -> Any:
        def look() -> Any:
            known = self._known(key)
            if known.absent.get(key) == known.change:
                self._container.history.add(self._container.context, f"remembers that {key} is absent")
                raise FileNotFoundError(key)
            before = known.change
            try:
                return super(NfsStore, self)._get(key, take, damaged, of_file)
            except NotFound as error:
                known.absent[key] = before
                raise FileNotFoundError(key) from error

        try:
            return lookups.confirmed(look, lambda: self._open(directory_of(key)))
        except FileNotFoundError as error:
            raise NotFound(key) from error

    def _list(self, prefix: str, after: str | None) -> Any:
        page = super()._list(prefix, after)
        for directory in [name for name in self._directories if name.startswith(prefix.rstrip("/"))]:
            self._directories.pop(directory)
        return page

    def _write(self, verb: str, key: str, act: Callable[[], Any], clash: Any) -> Any:
        try:
            return super()._write(verb, key, act, clash)
        finally:
            self._directories.pop(directory_of(key), None)

    def _known(self, key: str) -> _Known:
        directory, now = directory_of(key), self._container.world.now
        known = self._directories.get(directory)
        if known is None:
            known = self._directories[directory] = _Known(self._bucket.changes[directory], now)
        elif now - known.asked_at > REMEMBERED_SECONDS and not self._container.was_frozen_since(known.asked_at):
            known.change, known.asked_at = self._bucket.changes[directory], now
        return known

    def _open(self, directory: str) -> None:
        def answer(_: Any) -> int:
            return self._bucket.changes[directory]

        change = self._read("open", directory, answer)
        known = self._directories.get(directory)
        if known is not None:
            known.change, known.asked_at = change, self._container.world.now
