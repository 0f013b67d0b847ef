"""A stack with a limited caller's database and another one, and what a caller sees of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.service import Service
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action, Request, SldbError, is_action
from tests.fakes.databases.service import run

MINE, SECOND, OTHER, GHOST = "mine", "mine-too", "vault", "ghost"  # there is no database of the last name
SECRET = "a-row-of-another-database"
APP = Caller("app", frozenset({MINE, SECOND}))
PEER = Caller("peer", frozenset({MINE}))  # another one with the same database
READER = Caller("reader", frozenset({MINE}), may_write=False)
EVERYWHERE = Caller("everywhere")  # with all rights but an operator's
SHARED = ("_replies/", "_streams/", "_keys/", "_cancel/")  # directories of the stack, for all callers


def prepare(service: Service) -> None:
    """Make the databases of a limited caller."""
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x')", database=MINE)
    run(service, "CREATE TABLE t (a)", database=SECOND)


def prepare_other(service: Service, secret: str = SECRET) -> None:
    """Make another database, with a secret and a past."""
    run(service, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (?1)", {"1": secret}, database=OTHER)
    run(service, "INSERT INTO theirs VALUES (?)", [f"{secret} again"], database=OTHER, request_id="of-theirs")


def send(service: Service, event: Mapping[str, Any], caller: Caller = OPERATOR) -> dict[str, Any]:
    """Return the body of the reply, without its stats, or of the error."""
    try:
        if is_action(event):
            return service.act(Action.decode(event), caller=caller)
        reply = service.reply(Request.decode(event), caller=caller, invocation_id="lambda-1").encode()
    except SldbError as error:
        return error.encode()
    return {name: value for name, value in reply.items() if name != "stats"}


def code(body: Mapping[str, Any]) -> str:
    return str(body["error"]["code"]) if "error" in body else "ok"


def beyond(store: ObjectStore) -> dict[str, bytes]:
    """Return the objects of the databases out of the scope of the limited callers."""
    within = (f"{MINE}/", f"{SECOND}/", *SHARED)
    return {info.key: store.get(info.key) for info in store.list_objects("") if not info.key.startswith(within)}


def reveals(body: Mapping[str, Any]) -> bool:
    """Return True if a reply has anything of the content of the other database."""
    return SECRET in json.dumps(body) or "theirs" in json.dumps(body)
