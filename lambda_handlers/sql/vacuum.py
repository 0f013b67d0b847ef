"""The refusals of VACUUM: it cannot run inside a transaction, so it is a request of its own that is not rolled back."""

from __future__ import annotations

from lambda_handlers.sql import script
from lambda_handlers.sql.authorizer import Authorizer
from lambda_handlers.sql.errors import attached_is_read_only
from lambda_handlers.sql.execution import Mode
from lambda_handlers.wire import SldbError


def check(piece: script.Piece, authorizer: Authorizer, mode: Mode, *, alone: bool, compares: bool) -> None:
    """Raise an error unless VACUUM may run. `alone`: in a request of its own, outside of a transaction; `compares`: the
    request compares its results with those of another run."""
    if not alone:
        if script.second_name(piece.sql).lower() in authorizer.attached:
            raise attached_is_read_only(piece.sql.strip())
        raise SldbError("sql_error", "VACUUM cannot run inside a transaction", "send VACUUM as a request of its own")
    if not mode.may_commit:
        raise SldbError("bad_request", "dry_run: VACUUM cannot be rolled back", "send it without dry_run")
    if compares:
        raise SldbError("bad_request", "expect, pin: VACUUM commits by itself", "send it without these fields")
