"""The watchdog: a thread to end a request from outside, if nothing inside can end it.

SQLite looks at the clock between the steps of its machine, and some functions take minutes for one of them (`instr` of
a long text in a longer one). Lambda would end the process at its own time-out, with the lock still taken and the client
without a reply. Shortly before that the watchdog checks that nothing was committed or may yet be; then it frees the
lock, gives Lambda the reply in place of the handler, and ends the process. The next invocation begins with a new one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

ANSWER_SECONDS = 1.0
EXIT_STATUS = 1


class Watchdog:
    def __init__(
        self,
        runtime_api: str,
        end_process: Callable[[int], object] = os._exit,
        new_timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:
        """`runtime_api`: host and port of Lambda's API for replies."""
        self._runtime_api = runtime_api
        self._end_process = end_process
        self._new_timer = new_timer

    @contextmanager
    def watching(
        self,
        seconds: float,
        aws_request_id: str,
        give_up: Callable[[], dict[str, Any] | None],
        *,
        answers: bool = True,
    ) -> Iterator[None]:
        """Watch the block; if it takes longer, call `give_up`, which frees the lock and returns the reply to send in
        its place, or None to let it continue. `answers`: False to end the process without the reply."""

        def give_up_and_end() -> None:
            reply = give_up()
            if reply is not None:
                try:
                    if answers:
                        self._answer(aws_request_id, reply)
                finally:  # even without memory left for the answer
                    self._end_process(EXIT_STATUS)

        timer = self._new_timer(seconds, give_up_and_end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _answer(self, aws_request_id: str, reply: dict[str, Any]) -> None:
        import http.client  # 15 ms of a cold start, and hardly ever needed

        connection = http.client.HTTPConnection(self._runtime_api, timeout=ANSWER_SECONDS)
        body = json.dumps(reply).encode()
        path = f"/2018-06-01/runtime/invocation/{aws_request_id}/response"
        with suppress(OSError, http.client.HTTPException):  # Lambda then reports that the process ended
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()
