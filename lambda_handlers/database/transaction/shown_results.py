"""The results that the client of a transaction was shown, compared with those of another run of its statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambda_handlers.database.errors import changed_result
from lambda_handlers.database.transaction.token import Kept
from lambda_handlers.sql.script import Piece
from lambda_handlers.sql.session import Session
from lambda_handlers.sql.statements import Step
from lambda_handlers.wire import Result


def run_again(session: Session, statements: Sequence[Kept]) -> Iterator[tuple[int, Result]]:
    """Run the statements of a transaction in a session; yield the position and new result of each. The caller may stop
    at any of them. Raises the errors that end a request, but not those of statements."""
    for position, kept in enumerate(statements):
        step = Step(Piece(kept.sql, 0), kept.params, position, shows_lastrowid=kept.shows_lastrowid)
        (result,) = session.run_steps((step,), "continue")
        yield position, result


def check_shown(session: Session, statements: Sequence[Kept], where: str) -> None:
    """Run the statements of a transaction. Raises `conflict` at the first with another result than it was shown with;
    `where`: for the message, the state on which they run."""
    for position, result in run_again(session, statements):
        if result.digest != statements[position].digest.hex():
            raise changed_result(statements[position].sql, position, result, where)
