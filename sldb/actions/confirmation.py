"""The confirmation of destructive requests: data is destroyed only after a yes. This part needs no terminal.

The words of a request do not show whether it destroys. It is sent as `careful`: the engine runs it, and if it would
delete, replace or overwrite rows, or drop a table or column, the engine applies nothing and answers `unconfirmed` with
the losses. After a yes the request is sent on the condition that the state is still the same; after another write in
between, the question is asked again. A request that destroys nothing is applied by the first, careful request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from lambda_handlers.wire import Reply, Request, SldbError

if TYPE_CHECKING:
    from sldb.client import Client

Confirm: TypeAlias = Callable[[str], bool]


def execute(client: Client, request: Request, confirm: Confirm) -> Reply | None:
    """Run `request`; if it destroys, only after `confirm` returns True for a sentence.

    The sentence is such as "This deletes 3 of 3 rows of users.". Returns None after a no, with nothing applied. Raises
    SldbError as the client does.
    """
    while True:
        try:
            return client.execute(replace(request, careful=True))
        except SldbError as error:
            if error.code != "unconfirmed":
                raise
            destroys, seen_at = error.details["destroys"], error.details["txid"]
        if not confirm(describe_losses(destroys)):
            return None
        try:
            return client.execute(replace(request, if_txid=seen_at))
        except SldbError as error:
            if error.code != "conflict" or "txid" not in error.details:
                raise
            # Another writer has committed since the question: run it carefully again.


def describe_losses(destroys: Sequence[dict[str, Any]]) -> str:
    """Return the `destroys` of a reply or error in one sentence."""
    messages = [destroyed["message"] for destroyed in destroys]
    return f"This {', and '.join(messages)}."
