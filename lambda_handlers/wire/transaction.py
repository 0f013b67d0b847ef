"""The transaction of a request: the field `transaction`, and the fields that may stand beside it.

{"begin": true} opens one, and the reply has its token; {"token": "…"} continues the one of that token. Either may have
{"end": "commit" | "rollback"}, which ends it after the statements of the request, if there are any, and
{"lastrowid": true}, which hands out the rowids of INSERTs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire.errors import bad_request

COMMIT, ROLLBACK = "commit", "rollback"

# The fields of an event that may stand beside `transaction`, and the requests in which they may.
_BESIDE = {
    **dict.fromkeys(("query", "params", "statements", "on_error"), "any"),
    **dict.fromkeys(("database", "create", "read_only", "timeout", "stack", "request_id", "attempt", "last"), "any"),
    **dict.fromkeys(("message", "command"), "any"),  # those of the request that ends it count
    "min_txid": "any",  # that of the one that begins it counts
    "max_staleness": "begin",
    "if_txid": COMMIT,
}
_FIELDS = ("begin", "token", "end", "lastrowid")


@dataclass(frozen=True, slots=True)
class InTransaction:
    """The part of a request that is about its transaction. Without a token, it begins one."""

    token: str | None = None
    end: str | None = None  # "commit" or "rollback"
    lastrowid: bool = False  # hand out the rowids of INSERTs: they are then among the results that COMMIT compares

    @property
    def begins(self) -> bool:
        return self.token is None

    @property
    def commits(self) -> bool:
        return self.end == COMMIT

    @property
    def may_lack_statements(self) -> bool:
        return self.begins or self.end is not None

    def encode(self) -> dict[str, Any]:
        return {
            **({"begin": True} if self.token is None else {"token": self.token}),
            **({} if self.end is None else {"end": self.end}),
            **({"lastrowid": True} if self.lastrowid else {}),
        }

    @classmethod
    def decode(cls, value: object) -> InTransaction:
        """Return the transaction of a request. Raises `bad_request`."""
        if not isinstance(value, Mapping):
            bad_request("transaction", value, 'an object such as {"begin": true}')
        given = {name: one for name, one in value.items() if one is not None}
        if unknown := sorted(set(map(str, given)) - set(_FIELDS)):
            bad_request(f"transaction.{unknown[0]}", given.get(unknown[0]), f"one of {', '.join(_FIELDS)}")
        if ("begin" in given) == ("token" in given):
            bad_request("transaction", value, 'either {"begin": true} or {"token": "…"}')
        _check(given)
        return cls(given.get("token"), given.get("end"), given.get("lastrowid", False))

    def check_beside(self, given: Mapping[str, Any]) -> None:
        """Raise `bad_request` for a field that may not stand beside this. `given`: the fields that are not defaults."""
        for name, value in given.items():
            where = _BESIDE.get(name)
            if where is None:
                bad_request(name, value, "no such field beside transaction")
            if where == "begin" and not self.begins:
                bad_request(name, value, "it beside transaction only where that begins")
            if where == COMMIT and not self.commits:
                bad_request(name, value, 'it beside transaction only where that has "end": "commit"')


def _check(given: Mapping[str, Any]) -> None:
    """Raise `bad_request` unless each given field has a value of its kind."""
    if given.get("begin", True) is not True:
        bad_request("transaction.begin", given["begin"], "true")
    if "token" in given and (not isinstance(given["token"], str) or not given["token"]):
        bad_request("transaction.token", given["token"], "the token of the newest reply in the transaction")
    if given.get("end", COMMIT) not in (COMMIT, ROLLBACK):
        bad_request("transaction.end", given["end"], '"commit" or "rollback"')
    if not isinstance(given.get("lastrowid", False), bool):
        bad_request("transaction.lastrowid", given["lastrowid"], "true or false")
