"""The parts of one database of a container, for the modules that answer its requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.database.attached_databases import Readable
from lambda_handlers.database.moments import Moments
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.database.replies import Replies
from lambda_handlers.database.run import Run
from lambda_handlers.database.write_access import WriteAccess
from lambda_handlers.resources import Resources
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import Reply

if TYPE_CHECKING:
    from lambda_handlers.caller import Caller
    from lambda_handlers.deadline import Deadline
    from lambda_handlers.sql.execution import Described
    from lambda_handlers.wire.transaction import InTransaction


@dataclass(frozen=True, slots=True)
class Parts:
    resources: Resources
    newest: NewestState
    moments: Moments
    writes: WriteAccess
    applied: AppliedRequests
    replies: Replies
    find: Callable[[str], Readable]  # a database of the stack by its name, open until the request is over

    @property
    def name(self) -> str:
        """The name of the database."""
        return self.newest.database


class Transactions(Protocol):
    """The transactions over several requests of one database."""

    @property
    def size_bytes(self) -> int:
        """The size of local files kept between requests."""

    def answer(self, run: Run, wanted: InTransaction) -> Reply:
        """Return the reply to a request inside a transaction. Raises Gone or SldbError."""

    def describe(self, sql: str, token: str, deadline: Deadline, caller: Caller) -> Described:
        """Return what SQLite knows of a statement in the state of a transaction. Raises Gone or SldbError."""

    def close(self) -> None:
        """Forget what is kept between requests."""
