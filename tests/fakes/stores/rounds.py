"""A store and a host that count rounds, exactly and without waiting: a round is a request that had to wait for another.

Each request takes one unit of a logical time. A call that the host starts begins at the time of its starter, who is
later only once it has waited for the result: so calls side by side take one round together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.store.protocol import PAGE_KEYS, ObjectInfo, ObjectStore
from tests.fakes.immediate_call import ImmediateCall


class RoundsStore:
    """`rounds` and `requests` are those since the last `measure`."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.requests: list[str] = []  # verb and key or prefix
        self.rounds = 0
        self.bytes_in = 0
        self._now = 0  # of the call that runs

    def measure(self) -> None:
        """Begin to count anew."""
        self.requests, self.rounds, self.bytes_in, self._now = [], 0, 0, 0

    def host(self, host: Host) -> Host:
        """Return the host, with calls side by side."""
        return replace(host, start=self._start)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        self._pass(f"list_objects {prefix}")
        for number, info in enumerate(self.store.list_objects(prefix, after), start=1):
            yield info
            if number % PAGE_KEYS == 0:
                self._pass(f"list_objects {prefix}")

    def __getattr__(self, verb: str) -> Any:
        act = getattr(self.store, verb)

        def request(key: str, *arguments: Any) -> Any:
            self._pass(f"{verb} {key}")
            answer = act(key, *arguments)
            self.bytes_in += len(answer) if isinstance(answer, bytes) else 0
            return answer

        return request

    def _pass(self, request: str) -> None:
        self.requests.append(request)
        self._wait_until(self._now + 1)

    def _wait_until(self, time: int) -> None:
        self._now = max(self._now, time)
        self.rounds = max(self.rounds, self._now)

    def _start(self, function: Callable[[], Any]) -> _Call:
        began = self._now
        call = ImmediateCall(function)
        ended, self._now = self._now, began
        return _Call(call, lambda: self._wait_until(ended), lambda: self._now >= ended)


class _Call:
    def __init__(self, call: ImmediateCall, arrive: Callable[[], None], has_arrived: Callable[[], bool]) -> None:
        self._call = call
        self._arrive = arrive
        self._has_arrived = has_arrived

    def wait(self, seconds: float) -> bool:
        if seconds:
            self._arrive()
        return self._has_arrived()

    def result(self) -> Any:
        self._arrive()
        return self._call.result()
