"""Requests of a queue to run alone: they cannot be part of a transaction with others.

    VACUUM                            commits by itself
    ATTACH                            of its own database, it shows the newest transaction
    if_txid, min_txid, careful        name or compare the newest transaction
    at, dry_run, read_only            make none
    transaction                       has its own commit, and its record of it

All others share one: each has a connection of its own, and its PRAGMAs, temporary tables, BEGIN and COMMIT, and
`on_error` "continue" concern no other one; neither do `expect`, `pin` and `timeout`.
"""

from __future__ import annotations

from lambda_handlers.sql import script
from lambda_handlers.wire import Request, SldbError

_WORDS = ("VACUUM", "ATTACH")


def runs_alone(request: Request) -> bool:
    """Return True for a request unable to share a transaction."""
    fields = request.at, request.if_txid, request.transaction
    flags = request.min_txid, request.careful, request.dry_run, request.read_only
    return any(field is not None for field in fields) or any(flags) or _has_word(request)


def _has_word(request: Request) -> bool:
    texts = [one.query for one in request.statements if any(word in one.query.upper() for word in _WORDS)]
    try:
        return any(script.first_word(piece.sql) in _WORDS for text in texts for piece in script.split(text))
    except SldbError:  # it fails where it runs
        return True
