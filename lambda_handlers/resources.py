"""The resources of a container: shared by its service, its databases and its actions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lambda_handlers.deadline import Deadline
from lambda_handlers.host import Host
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.log import Log
from lambda_handlers.settings import Settings
from lambda_handlers.store.metered import MeteredStore


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    store: MeteredStore
    lock: WriteLock
    host: Host
    log: Log
    directory: Path  # of local copies; shared with other users of the machine: files in it have no names

    @property
    def has_lock(self) -> bool:
        """True if writers take a lock; without one, only the conditional commit keeps them apart."""
        return self.settings.lock != "none"

    def deadline(self, seconds: float) -> Deadline:
        """Return a deadline so many seconds from now on."""
        return Deadline(self.host.now() + seconds, self.host.now)
