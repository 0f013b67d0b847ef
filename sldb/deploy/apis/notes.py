"""The notes about the APIs in the plan of a deployment: their prices, and what ends with one that is removed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sldb import price
from sldb.deploy.apis.options import ANY_ORIGIN, kinds_of

_KINDS = {
    "token": "HTTP API with tokens of `sldb token create NAME`",
    "key": "REST API with API keys of `sldb token create NAME --key`",
    "jwt": "HTTP API with the tokens of {JwtIssuer}",
    "iam": "HTTP API with requests signed by IAM identities",
}
_ENDS = {
    "token": "all tokens end with the API of kind token: the secret that signs them is deleted",
    "key": "all API keys of the stack are deleted with the API of kind key",
}


def api_notes(
    before: Mapping[str, str], after: Mapping[str, str], addresses: Mapping[str, str], *, has_log_role: bool | None
) -> Iterator[str]:
    """Yield the notes about what changes. `before`, `after`: the parameters of the stack; `addresses`: of the existing
    APIs, by kind."""
    old, new = kinds_of(before), kinds_of(after)
    for kind in new:
        if kind not in old or _words(kind, before) != _words(kind, after):
            yield _api(kind, after, addresses.get(kind, "its address is known once it is there"))
    if "token" in new and "token" not in old:
        yield f"the secret that signs tokens costs ${price.SECRET_MONTH:.2f} a month"
    if "key" in new and "key" not in old and not has_log_role:
        why = (
            "the account has no role for logs of REST APIs" if has_log_role is False else "the role for it is not seen"
        )
        yield f"the API of kind key has no access log: {why} (API Gateway, Settings, CloudWatch log role ARN)"
    opens = set(new) - set(old) or before.get("CorsOrigins") != ANY_ORIGIN
    if new and opens and after["CorsOrigins"] == ANY_ORIGIN:
        yield "warning: web pages of any origin may send requests to the APIs; each needs a token, key or signature"
    for kind in old:
        if kind not in new:
            yield _ENDS.get(kind, f"the API of kind {kind} and its address end")


def _api(kind: str, parameters: Mapping[str, str], address: str) -> str:
    dollars = (price.REST_API_REQUEST if kind == "key" else price.HTTP_API_REQUEST) * 1_000_000
    return f"{kind}: {_words(kind, parameters)}, ${dollars:.2f} per million requests: {address}"


def _words(kind: str, parameters: Mapping[str, str]) -> str:
    return _KINDS[kind].format_map(parameters)
