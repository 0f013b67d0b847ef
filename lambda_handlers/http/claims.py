"""The caller of an HTTP event, by what API Gateway's authorizer says of it.

    sldb_name        the caller's name; of a JWT without it, `sub`
    sldb_databases   names with spaces between them; `*`: all
    sldb_scope       `read` or `write`

A claim that is absent gives nothing: no database, no right to write. An event without an authorizer, or with IAM's,
is one that AWS itself has let pass by a policy on this function or route: an operator's, as a direct invocation is.
A user with the right to invoke the function can forge all of this, which gains nothing: a direct invocation has all
rights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.wire import SldbError

ALL = "*"


def caller_of(context: Mapping[str, Any]) -> Caller:
    """Return the caller by the `requestContext` of an event. Raises `forbidden` for an authorizer without a name."""
    authorizer = context.get("authorizer")
    if authorizer is None or (isinstance(authorizer, Mapping) and set(authorizer) == {"iam"}):
        return OPERATOR
    claims = _claims(authorizer)
    name = claims.get("sldb_name", claims.get("sub"))
    databases, scope = claims.get("sldb_databases", ""), claims.get("sldb_scope")
    if not isinstance(name, str) or not name or not isinstance(databases, str):
        raise _unnamed()
    granted = None if databases == ALL else frozenset(databases.split())
    try:
        return Caller(name, granted, may_write=scope == "write")
    except ValueError as error:
        raise _unnamed() from error


def _claims(authorizer: object) -> Mapping[str, Any]:
    """Return the claims in each of the forms that API Gateway has for them."""
    if not isinstance(authorizer, Mapping):
        return {}
    jwt = authorizer.get("jwt")
    given = jwt.get("claims") if isinstance(jwt, Mapping) else authorizer.get("lambda", authorizer.get("claims"))
    found = authorizer if given is None else given
    return found if isinstance(found, Mapping) else {}


def _unnamed() -> SldbError:
    return SldbError(
        "forbidden",
        "the authorizer has let the request pass and names no caller",
        "it must say sldb_name, sldb_databases and sldb_scope",
        applied="no",
    )
