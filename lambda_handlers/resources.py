"""The resources of a container: shared by its service, its databases and its actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_handlers.after_reply import AfterReply
from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.deadline import Deadline, Watch
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.settings import Settings
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.wire import Request

if TYPE_CHECKING:
    from lambda_handlers.insights.watch import StatementWatch
    from lambda_handlers.locks.protocol import WriteLock


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    store: MeteredStore
    lock: WriteLock
    host: Host
    log: Log
    after_reply: AfterReply
    watch: StatementWatch | None = None  # over what statements take; None: nobody wants to know

    @property
    def directory(self) -> str:
        """The directory of local copies; shared with other users of the machine: files in it have no names."""
        return self.settings.temp_dir

    @property
    def has_lock(self) -> bool:
        """True if writers take a lock; without one, only the conditional commit keeps them apart."""
        return self.settings.lock != "none"

    def deadline(
        self,
        seconds: float,
        request: Request | None = None,
        invocation_id: str | None = None,
        caller: Caller = OPERATOR,
    ) -> Deadline:
        """Return a deadline so many seconds from now on. A `request` that begins now can be cancelled by its id, or by
        that of its invocation: by its caller or an operator."""
        now = self.host.now()
        request_id = request.request_id or invocation_id if request else None
        watch = self._watch(request, request_id, now, caller) if request and request_id else None
        return Deadline(now + seconds, self.host.now, watch=watch)

    def _watch(self, request: Request, request_id: str, began_at: float, caller: Caller) -> Watch:
        """Return the search for a mark that cancels the request."""

        def look() -> bool:
            from lambda_handlers import cancel_marks  # most requests are over before

            clock = self.store.clock
            own_id, began = caller.own_id(request_id), clock.corrected(began_at)
            running = cancel_marks.Running(request.database, own_id, request.attempt, began, caller.name)
            return cancel_marks.is_cancelled(self.store, running, clock.corrected(self.host.now()))

        return Watch(self.host, look)
