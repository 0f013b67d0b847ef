"""The caller of an HTTP event, by what the front says of it that identified the caller.

The stage variable `sldb_front` names the front; the template sets it at every stage. Each demands its own identity, and
believes no other's:

    token   `authorizer.lambda`, the context of sldb's own authorizer (`lambda_handlers.authorizer`)
    jwt     `authorizer.jwt.claims`, those of the issuer; without claims about rights, the entry `jwt:<sub>`
    iam     `authorizer.iam.userArn`: the entry `iam:<ARN>`
    key     `identity.apiKeyId`: the entry `key:<id>`

Entries are those of the access document (`lambda_handlers.access.callers`). The claims:

    sldb_name        the caller's name; of a JWT without it, `sub`
    sldb_databases   names with spaces between them, or a list; `*`, and no list with it: all
    sldb_scope       `read` or `write`

Providers put a prefix before the names of such claims: Cognito `custom:`, Auth0 and others a URL with a slash at its
end. Two claims that differ in their prefixes only must say the same. API Gateway writes a list as one text, `[a b]`
(measured by floci, pull request 2011, and by guidance-for-claude-code-with-amazon-bedrock, pull request 803).

A name in a JWT is its issuer's word, which may be any. So the caller's name is `jwt:` and this one: it is never that of
an entry, or of an authorizer of the operator's own, with the requests and transactions of that caller.

A claim that is absent gives nothing: no database, no right to write. An event without the variable is of a front that
sldb has not made. Its claims are those of any authorizer; without an authorizer, or with IAM's, it is an operator's, as
a direct invocation is, because AWS itself has let it pass by a policy on this function or route. A user with the right
to invoke the function can forge all of this, which gains nothing: a direct invocation has all rights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from lambda_handlers.access.identities import iam_identity, jwt_identity, key_identity
from lambda_handlers.caller import NAME, OF_ISSUER, OPERATOR, Caller
from lambda_handlers.wire import DATABASE_NAME, SldbError

if TYPE_CHECKING:
    from lambda_handlers.access.callers import Entry

ALL = "*"
FRONT = "sldb_front"  # the stage variable

Find: TypeAlias = Callable[[str], "Entry | None"]  # an identity's entry in the access document; raises SldbError

_PREFIX = re.compile(r"custom:|https?://\S+/")


def front_of(event: Mapping[str, Any]) -> str | None:
    """Return the name of the front that has identified the caller; None if no front of sldb's did. Raises `forbidden`
    for one that is not known."""
    variables = event.get("stageVariables")
    front = variables.get(FRONT) if isinstance(variables, Mapping) else None
    if front is None:
        return None
    if not isinstance(front, str) or front not in _FRONTS:
        _refuse(
            "unknown_front", "the stage is of a kind that this function does not know", "deploy it again: sldb deploy"
        )
    return front


def caller_of(event: Mapping[str, Any], find: Find, now: float) -> Caller:
    """Return the caller of an event. Raises `forbidden` for one without the identity of its front, or without an entry
    that is valid; and the errors of `find`."""
    context = _object(event.get("requestContext"))
    front = front_of(event)
    if front is None:
        return _of_other_front(context)
    found = _FRONTS[front](context)
    return found if isinstance(found, Caller) else _by_entry(found, find, now)


def _by_entry(identity: str, find: Find, now: float) -> Caller:
    entry = find(identity)
    if entry is None:
        _refuse("unknown", "the caller is not in the stack's list of callers", "an operator adds it: sldb token create")
    if reason := entry.refusal(int(now * 1000)):
        ended = "is revoked" if reason == "revoked" else "has expired"
        _refuse(reason, f"the access of {entry.name} {ended}", caller=entry.name)
    return entry.caller


def _token(context: Mapping[str, Any]) -> Caller:
    return _by_claims(_own(context, "lambda"))


def _jwt(context: Mapping[str, Any]) -> Caller | str:
    given = _own(context, "jwt").get("claims")
    claims = _without_prefixes(given) if isinstance(given, Mapping) else {}
    if "sldb_databases" in claims or "sldb_scope" in claims:
        return _by_claims(claims, OF_ISSUER)
    return _identity(jwt_identity, claims.get("sub"))


def _iam(context: Mapping[str, Any]) -> str:
    return _identity(iam_identity, _own(context, "iam").get("userArn"))


def _key(context: Mapping[str, Any]) -> str:
    return _identity(key_identity, _object(context.get("identity")).get("apiKeyId"))


_FRONTS: Mapping[str, Callable[[Mapping[str, Any]], Caller | str]] = {
    "token": _token,
    "jwt": _jwt,
    "iam": _iam,
    "key": _key,
}


def _own(context: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return what the authorizer of this kind says; nothing if another one does, or says something too."""
    authorizer = _object(context.get("authorizer"))
    return _object(authorizer.get(kind)) if set(authorizer) == {kind} else {}


def _identity(make: Callable[[str], str], value: object) -> str:
    if not isinstance(value, str):
        _refuse_unidentified()
    try:
        return make(value)
    except ValueError:
        _refuse("unknown", "the caller is not of a kind that the stack's list of callers can have")


def _of_other_front(context: Mapping[str, Any]) -> Caller:
    authorizer = context.get("authorizer")
    if authorizer is None or (isinstance(authorizer, Mapping) and set(authorizer) == {"iam"}):
        return OPERATOR
    claims, is_of_issuer = _claims(authorizer)
    return _by_claims(claims, OF_ISSUER if is_of_issuer else "")


def _claims(authorizer: object) -> tuple[Mapping[str, Any], bool]:
    """Return the claims in each of the forms that API Gateway has for them, and True for those of a JWT: of an HTTP
    API, or of a REST API with Cognito."""
    if not isinstance(authorizer, Mapping):
        return {}, False
    jwt = authorizer.get("jwt")
    if isinstance(jwt, Mapping) or isinstance(authorizer.get("claims"), Mapping):
        given = jwt.get("claims") if isinstance(jwt, Mapping) else authorizer["claims"]
        return _object(given), True
    return _object(authorizer.get("lambda", authorizer)), False


def _without_prefixes(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims with sldb's own by their names. Raises `forbidden` if two of one name differ."""
    found = {name: value for name, value in claims.items() if isinstance(name, str)}
    for name, value in claims.items():
        short = _PREFIX.sub("", name, count=1) if isinstance(name, str) and _PREFIX.match(name) else ""
        if short not in ("sldb_name", "sldb_databases", "sldb_scope"):
            continue
        if found.setdefault(short, value) != value:
            _refuse("ambiguous", f"the token has two claims {short} that differ")
    return found


def _by_claims(claims: Mapping[str, Any], prefix: str = "") -> Caller:
    name = claims.get("sldb_name", claims.get("sub"))
    databases, scope = claims.get("sldb_databases", ""), claims.get("sldb_scope")
    if not isinstance(name, str) or not re.fullmatch(NAME, name) or not isinstance(databases, str):
        _refuse_unidentified()
    return Caller(prefix + name, _granted(databases), may_write=scope == "write")


def _granted(databases: str) -> frozenset[str] | None:
    """Return the databases of a claim; None: all. Raises `forbidden` for a name that no database has."""
    if databases == ALL:
        return None
    is_list = databases.startswith("[") and databases.endswith("]")
    names = frozenset((databases[1:-1] if is_list else databases).split())
    if not all(DATABASE_NAME.fullmatch(name) for name in names):
        _refuse("bad_claim", "the claim sldb_databases has what is no name of a database")
    return names


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _refuse_unidentified() -> NoReturn:
    _refuse(
        "unidentified",
        "the authorizer has let the request pass and names no caller",
        "it must say sldb_name, sldb_databases and sldb_scope",
    )


def _refuse(reason: str, message: str, hint: str = "", caller: str | None = None) -> NoReturn:
    raise SldbError("forbidden", message, hint, applied="no", reason=reason, caller=caller)
