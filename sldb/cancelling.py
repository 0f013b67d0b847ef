"""Ctrl-C while a request runs on a function: the request is cancelled there, and its own reply is its outcome.

The request is sent by another thread, so that its reply can still arrive after Ctrl-C. Then:

- it was stopped: its error is `cancelled`, and nothing was applied;
- it was over before: `TooLate`, with its reply;
- there is no answer soon, the request cannot be cancelled, or Ctrl-C comes once more: KeyboardInterrupt, and the
  outcome is unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from lambda_handlers.wire import Reply, SldbError
from sldb import report

ANSWER_SECONDS = 10.0  # a function finds the mark within two; its reply may be on its way for longer
_PIECE_SECONDS = 0.5  # of a wait: on some systems Ctrl-C is noticed only between two waits


class TooLate(KeyboardInterrupt):
    """Ctrl-C came too late: the request was over. `reply` is its reply."""

    def __init__(self, reply: Reply) -> None:
        done = f"{report.outcomes(reply)} · txid {reply.txid}"
        super().__init__(f"the request was over before it could be cancelled: {done}")
        self.reply = reply


def send(request: Callable[[], Reply], cancel: Callable[[], object], say: Callable[[str], None]) -> Reply:
    """Return the reply to `request`; after Ctrl-C call `cancel`, and raise what the request comes to.

    `say` gets messages for the user. Raises SldbError, TooLate, or KeyboardInterrupt if the outcome is unknown. Outside
    of the main thread, which no signal reaches, `request` is merely called.
    """
    if threading.current_thread() is not threading.main_thread():
        return request()
    sending = _Sending(request)
    try:
        sending.start()
        sending.wait(float("inf"))
        return sending.result()
    except KeyboardInterrupt:
        say("cancelling the request; Ctrl-C again stops waiting")
        _cancel(cancel, say)
        if not sending.wait(ANSWER_SECONDS):
            raise
        raise TooLate(sending.result()) from None


def _cancel(cancel: Callable[[], object], say: Callable[[str], None]) -> None:
    try:
        cancel()
    except SldbError as error:
        say(f"the request could not be cancelled: {error.message}")
        raise KeyboardInterrupt from error


class _Sending:
    """A request sent by a thread of its own."""

    def __init__(self, request: Callable[[], Reply]) -> None:
        self._request = request
        self._is_over = threading.Event()
        self._reply: Reply | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; return True if the request is over."""
        while seconds > 0 and not self._is_over.wait(min(seconds, _PIECE_SECONDS)):
            seconds -= _PIECE_SECONDS
        return self._is_over.is_set()

    def result(self) -> Reply:
        """Return the reply to a request that is over, or raise its error."""
        if self._error is not None:
            raise self._error
        assert self._reply is not None
        return self._reply

    def _run(self) -> None:
        try:
            self._reply = self._request()
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error
        self._is_over.set()
