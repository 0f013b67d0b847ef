"""The wire's errors for errors of the object store."""

from __future__ import annotations

from lambda_handlers.store.protocol import StoreError
from lambda_handlers.wire import SldbError

_AGAIN = "the same request sent again (SQL with the same request_id) returns the outcome, and is applied at most once"


def store_error(error: StoreError, applied: str = "no") -> SldbError:
    """Return the error for a reply. `applied` states if the transaction of the commit under way is in the log: no (as
    for reads), unknown or yes."""
    hint = _AGAIN if applied == "unknown" else error.hint
    return SldbError("store_error", f"the object store: {error}", hint, key=error.key, applied=applied)
