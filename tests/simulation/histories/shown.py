"""The knowledge of the client of a transaction: its tokens, and the result of each statement behind them.

The checker compares it with the results in plain SQLite. A token is read for the base and the pin in it; its content is
otherwise not believed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambda_handlers.database.transaction import token as tokens
from lambda_handlers.wire import Reply, Result
from lambda_handlers.wire.pin import Pin
from tests.simulation.histories.transactions import SHOWN, Statement

_HEAD_BYTES, _SEAL_BYTES = 2, 32  # of a token, before and after its content


@dataclass(frozen=True, slots=True)
class Shown:
    """A statement that was executed, and its result; without one if only a later error was answered."""

    query: str
    params: tuple[Any, ...]
    result: Result | None

    @property
    def number(self) -> int | None:
        """The number that the client computes with, if it is one."""
        rows = self.result.rows if self.result else ()
        return rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 and isinstance(rows[0][0], int) else None


@dataclass(frozen=True, slots=True)
class Known:
    """A state of a transaction that has a token."""

    token: str
    base: int
    pin: Pin
    statements: tuple[Shown, ...]


def params_of(statement: Statement, known: Known | None) -> list[Any]:
    """Return the params of a statement, computed from what the client was shown last."""
    numbers = [one.number for one in (known.statements if known else ()) if one.number is not None]
    return [(numbers[-1] if numbers else 7) + 1 if one == SHOWN else one for one in statement[1]]


def learn(known: Known | None, event: Mapping[str, Any], body: Mapping[str, Any]) -> Known | None:
    """Return the state of the token in a reply or error; None if there is none."""
    statements, is_commit = event.get("statements", ()), event["transaction"].get("end") == "commit"
    token = (body.get("transaction") or {}).get("token")
    if token is None:
        return None
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    content = tokens.decode(raw[_HEAD_BYTES:-_SEAL_BYTES])
    before = known.statements if known else ()
    # After an error of a COMMIT, the transaction is what it was before.
    new = () if is_commit else shown_in(statements, body)
    return Known(token, content.base, content.pin, before + new)


def shown_in(statements: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> tuple[Shown, ...]:
    """Return the statements of a request that were executed, with their results in its reply or error."""
    asked = [Shown(one["query"], tuple(one["params"]), None) for one in statements]
    if "error" not in body:
        results = Reply.decode(body).results
        return tuple(replace(one, result=result) for one, result in zip(asked, results))  # noqa: B905 - may have ended
    failed = body["error"]["statement"]
    error = Result.decode({"columns": [], "rows": [], "rowcount": 0, "lastrowid": None, "error": body["error"]}, {})
    return (*asked[:failed], replace(asked[failed], result=error))
