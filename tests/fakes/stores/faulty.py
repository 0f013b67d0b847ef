"""An object store around another one: it records its calls, and fails by plan.

    store.plan("create", lose_answer, works, clash)    # the next three creates

A step gets the key and the real act, and answers in its stead. `meanwhile` makes a step of an action of another process
just before.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from lambda_handlers.store.protocol import AlreadyExists, CopyOf, ObjectInfo, ObjectStore, Refused, Unavailable

Act: TypeAlias = Callable[[], Any]
Step: TypeAlias = Callable[[str, Act], Any]


def works(key: str, act: Act) -> Any:
    return act()


def lose_request(key: str, act: Act) -> Any:
    """Lose the request: it never arrives, and there is no answer."""
    raise Unavailable(key, "no answer")


def never_leave(key: str, act: Act) -> Any:
    """Fail before sending: there is no connection."""
    error = Unavailable(key, "no connection")
    error.is_unmade = True
    raise error


def lose_answer(key: str, act: Act) -> Any:
    """Apply the request and lose the answer."""
    act()
    raise Unavailable(key, "no answer")


def blame_own(key: str, act: Act) -> Any:
    """Apply the request; the client library sends it again and is refused because of its own object."""
    act()
    raise AlreadyExists(key)


def clash(key: str, act: Act) -> Any:
    """S3's 409 ConditionalRequestConflict: refused as if there were an object, and there need be none."""
    raise AlreadyExists(key)


def refuse(key: str, act: Act) -> Any:
    raise Refused(key, "access denied")


def meanwhile(action: Callable[[], object]) -> Step:
    def step(key: str, act: Act) -> Any:
        action()
        return act()

    return step


def answers(value: object) -> Step:
    """Return a step with a false answer."""
    return lambda key, act: value


class FaultyStore:
    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.calls: list[tuple[str, str]] = []  # verb and key, as they came
        self.written: dict[str, list[bytes]] = defaultdict(list)  # every body that was applied, by its key
        self._steps: dict[str, deque[Step]] = defaultdict(deque)
        self._guard = threading.Lock()

    def plan(self, verb: str, *steps: Step) -> None:
        """Plan the steps of the next calls of a verb; after them it works."""
        self._steps[verb].extend(steps)

    def forget_plans(self) -> None:
        self._steps.clear()

    def verbs(self) -> list[str]:
        """The verbs called since the last time."""
        called = [verb for verb, _ in self.calls]
        self.calls.clear()
        return called

    def get(self, key: str) -> bytes:
        return self._meet("get", key, lambda: self.store.get(key))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        return self._meet("get_with_tag", key, lambda: self.store.get_with_tag(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._meet("get_range", key, lambda: self.store.get_range(key, start, length))

    def chunks(self, key: str) -> Iterator[bytes]:
        yield from self._meet("chunks", key, lambda: self.store.chunks(key))

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        yield from self._meet("list_objects", prefix, lambda: self.store.list_objects(prefix, after))

    def list_directories(self, prefix: str) -> list[str]:
        return self._meet("list_directories", prefix, lambda: self.store.list_directories(prefix))

    def create(self, key: str, body: bytes) -> str:
        def act() -> str:
            tag = self.store.create(key, body)
            self.written[key].append(body)
            return tag

        return self._meet("create", key, act)

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        def act() -> None:
            body = b"".join(chunks)
            self.store.create_from(key, iter((body,)))
            self.written[key].append(body)

        return self._meet("create_from", key, act)

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        def act() -> str:
            tag = self.store.assemble(key, parts)
            self.written[key].append(self.store.get(key))
            return tag

        return self._meet("assemble", key, act)

    def put(self, key: str, body: bytes) -> str:
        return self._meet("put", key, lambda: self.store.put(key, body))

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        return self.store.presign(method, keys, seconds)

    def size(self, key: str) -> int:
        return self._meet("size", key, lambda: self.store.size(key))

    def info(self, key: str) -> ObjectInfo:
        return self._meet("info", key, lambda: self.store.info(key))

    def delete_version(self, key: str, etag: str) -> bool:
        return bool(self._meet("delete_version", key, lambda: self.store.delete_version(key, etag)))

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def replace(self, key: str, body: bytes, etag: str) -> str:
        def act() -> str:
            tag = self.store.replace(key, body, etag)
            self.written[key].append(body)
            return tag

        return self._meet("replace", key, act)

    def delete(self, key: str) -> None:
        return self._meet("delete", key, lambda: self.store.delete(key))

    def close(self) -> None:
        self.store.close()

    def _meet(self, verb: str, key: str, act: Act) -> Any:
        with self._guard:
            self.calls.append((verb, key))
            steps = self._steps[verb]
            step = steps.popleft() if steps else works
        return step(key, act)


class PresigningStore(FaultyStore):
    """A store with presigned URLs, as S3 has; `download` stands for an HTTP client."""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        return [f"https://store.example/{key}?expires={seconds:.0f}" for key in keys]

    def download(self, url: str) -> Iterator[bytes]:
        yield self.get(url.removeprefix("https://store.example/").partition("?")[0])
