"""What an action works with: all that a container has, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambda_handlers.database import Database
from lambda_handlers.host import Host
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.log import Log
from lambda_handlers.settings import Settings
from lambda_handlers.store.metered import MeteredStore


@dataclass(frozen=True, slots=True)
class ActionContext:
    store: MeteredStore
    settings: Settings
    host: Host
    log: Log
    lock: WriteLock
    deadline: float  # unix seconds
    database: Callable[[str], Database]  # by its name; the container keeps it
