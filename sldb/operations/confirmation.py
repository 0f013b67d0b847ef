"""Nothing that is there is destroyed before somebody has said yes: the brain, without a terminal.

Whether a request destroys, and what, is not read from its words. It is sent as `careful`: the engine runs it, and
where it would delete, replace or overwrite rows, or drop a table or column, it applies nothing and answers
`unconfirmed` with what it saw. What was agreed to is then sent for just the state that it was seen on; if somebody has
written meanwhile, the question is asked anew. What destroys nothing is done with the first request, as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from lambda_handlers.wire import Reply, Request, SldbError

if TYPE_CHECKING:
    from sldb.client import Client

Agree: TypeAlias = Callable[[str], bool]


def execute(client: Client, request: Request, agree: Agree) -> Reply | None:
    """Run `request`, but what destroys only if `agree` says so, which is given a sentence such as "This deletes 3 of 3
    rows of users."; None if it does not, and nothing was applied. Raises SldbError as the client does."""
    while True:
        try:
            return client.execute(replace(request, careful=True))
        except SldbError as error:
            if error.code != "unconfirmed":
                raise
            destroys, seen_at = error.details["destroys"], error.details["txid"]
        if not agree(told(destroys)):
            return None
        try:
            return client.execute(replace(request, if_txid=seen_at))
        except SldbError as error:
            if error.code != "conflict" or "txid" not in error.details:
                raise
            # Another txid than the one that was agreed to: look, and ask again.


def told(destroys: Sequence[dict[str, Any]]) -> str:
    """What the `destroys` of a reply or error come to, in one sentence."""
    messages = [destroyed["message"] for destroyed in destroys]
    return f"This {', and '.join(messages)}."
