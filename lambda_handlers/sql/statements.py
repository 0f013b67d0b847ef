"""The steps of a request: its statements in their order, each with its params and its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from lambda_handlers.sql import script
from lambda_handlers.wire import Params, SldbError, Statement


class Step(NamedTuple):
    piece: script.Piece
    params: Params
    part: int  # position in the request's `statements`
    is_redundant: bool  # a BEGIN or COMMIT around the whole request, which is one transaction anyway


def steps_of(statements: Sequence[Statement], check_time: Callable[[], None]) -> Iterator[Step]:
    """Split the statements of a request. Raises `bad_request`, `too_large`, and the errors of `check_time`."""
    split = [list(script.split(statement.query, check_time)) for statement in statements]
    around = script.enclosing([piece.sql for pieces in split for piece in pieces])
    position = 0
    for part, (statement, pieces) in enumerate(zip(statements, split, strict=True)):
        if len(pieces) > 1 and isinstance(statement.params, tuple):
            raise SldbError(
                "bad_request",
                "params: got a list for several statements, want an object of names, or one statement",
                "use named parameters (:name), or send `statements` with params of their own",
            )
        check_time()
        around_own = around if len(split) == 1 else script.enclosing([piece.sql for piece in pieces])
        for own_position, piece in enumerate(pieces):
            yield Step(piece, statement.params, part, position in around or own_position in around_own)
            position += 1
