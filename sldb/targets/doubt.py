"""A request that may have been applied although there is no reply to it: what is known, and the error if nothing more
becomes known."""

from __future__ import annotations

from lambda_handlers.wire import Request, SldbError


class InDoubt(Exception):
    """The request may have been applied, and there is no reply. `error`: the reason. `may_come_yet`: the request may be
    applied even after its result was looked up: a function may still run it, or a stopped container may have sent its
    commit to a slow store."""

    def __init__(self, error: SldbError, *, may_come_yet: bool = True) -> None:
        super().__init__(error.message)
        self.error = error
        self._may_come_yet = may_come_yet

    def unresolved(self, again: str) -> SldbError:
        return self._with(self.error.message, again, "unknown")

    def not_applied(self, again: str) -> SldbError:
        if self._may_come_yet:
            message = f"{self.error.message}; it had not been applied yet when it was looked up afterwards"
            return self._with(message, f"{again}; {self.error.hint}" if self.error.hint else again, "unknown")
        return self._with(f"{self.error.message}; its result was looked up afterwards", self.error.hint, "no")

    def _with(self, message: str, hint: str, applied: str) -> SldbError:
        return SldbError(self.error.code, message, hint, **{**self.error.details, "applied": applied})


def sent_again(refusal: SldbError) -> SldbError:
    """Return the refusal of a later try: it holds for that try, and not for those before it without a response."""
    return SldbError(refusal.code, f"{refusal.message}, when it was sent again", refusal.hint, **refusal.details)


def may_apply(request: Request) -> bool:
    """Return True if the request may write: it sees the newest state, outside of a transaction or to commit one."""
    is_inside = request.transaction is not None and not request.transaction.commits
    return not (request.read_only or request.at is not None or is_inside)
