"""The first look at the target, in the background: the shell ends if it is not there.

The prompt does not wait for it: it is left in the middle, and what was typed goes into the next one.
"""

from __future__ import annotations

from contextlib import suppress

from prompt_toolkit import PromptSession

from lambda_handlers.wire import SldbError
from sldb.shell.session import Session

_NOT_THERE = (2, 3)  # exit statuses of errors about the target itself


class FirstLook:
    """The first fetch of names, which shows whether the target is there."""

    def __init__(self, prompt: PromptSession[str], session: Session) -> None:
        self._prompt = prompt
        self._session = session
        self._is_over = False
        self._error: SldbError | None = None  # the reason why the shell ends

    def succeed(self) -> None:
        self._is_over = True

    def fail(self, error: SldbError) -> None:
        """Note the failure of a fetch, in the thread that fetches."""
        if self._is_over:
            return
        self._is_over = True
        if error.exit_code in _NOT_THERE:
            self._error = error
            self._leave_prompt(error)
        elif error.code == "not_found":
            with suppress(SldbError):  # the next statement of the user reports it better
                self._leave_prompt(Interruption(self._session.about_missing_database(error)))

    def raise_failure(self) -> None:
        """Raise the error if the target is not there, and has answered nothing since."""
        if self._error is not None and self._session.txid is None:
            raise self._error

    def _leave_prompt(self, reason: Exception) -> None:
        app = self._prompt.app

        def leave() -> None:
            if not app.is_running or app.is_done:
                return  # the user has submitted something: its own error is the same
            if isinstance(reason, Interruption):
                reason.typed = self._prompt.default_buffer.text
            app.exit(exception=reason)

        if app.loop is not None:
            with suppress(RuntimeError):  # the prompt has just ended
                app.loop.call_soon_threadsafe(leave)


class Interruption(Exception):
    """There is something to say about the database while the user types."""

    typed = ""  # so far
