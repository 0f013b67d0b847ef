"""The caller of a request: its name, and its rights to the databases of the stack.

A direct invocation is an operator's, with all rights and without a name. Every other caller has a name and a scope, as
the front that identified it says (`docs/security.md`); a scope may be all databases. Operators give names, and so does
an issuer of JWTs: its names have a prefix, so that none of them is that of an operator's caller.

The rights are checked where a request meets a database: before it begins (`Caller.check`; for actions
`actions.rights`), at ATTACH (`database.attached_databases`), and once a statement writes (`database`). A refusal says
the same of a database that exists and of one that does not.
"""

from __future__ import annotations

import re

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import Request, SldbError

# Texts of expressions, because direct invocations need none, and compiling them slows down cold starts.
NAME = r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}"  # as an operator or issuer gives it
OF_ISSUER = "jwt:"  # before a name that an issuer of JWTs has given
WHOLE_NAME = f"(?:{OF_ISSUER})?{NAME}"

OPERATORS_FIELDS = ("pin",)  # of a request

_END_OF_NAME = "\x03"  # is in no name and in no request id: a pair of both has one text


@dataclass(frozen=True, slots=True)
class Caller:
    """Raises ValueError for a name that no caller has, and for an operator with limits."""

    name: str = ""  # "": an operator
    databases: frozenset[str] | None = None  # None: all
    may_write: bool = True

    def __post_init__(self) -> None:
        if self.name and not re.fullmatch(WHOLE_NAME, self.name):
            raise ValueError(f"{self.name!r} is no name of a caller")
        if not self.name and (self.databases is not None or not self.may_write):
            raise ValueError("a caller with limits needs a name")

    @property
    def is_operator(self) -> bool:
        return not self.name

    def may_read(self, database: str) -> bool:
        return self.databases is None or database in self.databases

    def require(self, database: str, *, writes: bool) -> None:
        """Raise `forbidden` unless the caller may read the database and, if it `writes`, change it."""
        if not self.may_read(database):
            raise _forbidden(f"{self.name} has no right to the database {database}")
        if writes and not self.may_write:
            raise _forbidden(f"{self.name} may read the database {database}, and not change it")

    def check(self, request: Request) -> None:
        """Raise `forbidden` for a request that the caller may not send, even if none of its statements writes."""
        self.require(request.database, writes=False)
        for name in OPERATORS_FIELDS:
            if getattr(request, name) is not None:
                self.require_operator(name)

    def require_operator(self, subject: str) -> None:
        """Raise `forbidden` unless the caller is an operator."""
        if not self.is_operator:
            raise _forbidden(f"{subject} is for operators, and {self.name} is none")

    def own_id(self, request_id: str) -> str:
        """Return the text that stands for a request id of this caller: no other caller has an id of the same text."""
        return f"{self.name}{_END_OF_NAME}{request_id}" if self.name else request_id


OPERATOR = Caller()


def _forbidden(message: str) -> SldbError:
    return SldbError("forbidden", message, "ask an operator of the stack for the right", applied="no")
