"""The names for ATTACH: a database of the stack, `other`, or a past moment of one, `other@17` (a txid) or
`other@2026-11-01T10:00:00Z` (a time as in the request's `at`). Pure: it does not check that the database exists.
"""

from __future__ import annotations

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.patterns import pattern
from lambda_handlers.wire import DATABASE_NAME, moment

HINT = (
    "ATTACH 'other' AS o reads another database of the stack, ATTACH 'other@17' AS o or "
    "'other@2026-11-01T10:00:00Z' a past moment of one"
)
_NAME = pattern(rf"(?P<database>{DATABASE_NAME.pattern})(?:@(?P<at>[0-9A-Za-z:.+ -]{{1,64}}))?")


@dataclass(frozen=True, slots=True)
class Attachment:
    database: str
    at: int | str | None  # as in a request; None: now

    @classmethod
    def parse(cls, name: str) -> Attachment | None:
        """Return the database and moment of a name; None if ATTACH may not name it."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        at = found["at"]
        return cls(found["database"], moment(at) if at else None)
