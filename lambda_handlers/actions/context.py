"""The context of an action: the resources of the container, its open databases, and the action's deadline."""

from __future__ import annotations

from collections.abc import Callable

from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.database.database import Database
from lambda_handlers.deadline import Deadline
from lambda_handlers.host import Host
from lambda_handlers.resources import Resources
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.store.metered import MeteredStore


@dataclass(frozen=True, slots=True)
class ActionContext:
    resources: Resources
    deadline: Deadline
    database: Callable[[str], Database]  # by its name; the container keeps it open
    caller: Caller = OPERATOR

    @property
    def store(self) -> MeteredStore:
        return self.resources.store

    @property
    def host(self) -> Host:
        return self.resources.host

    @property
    def retention_days(self) -> float:
        return self.resources.settings.retention_days

    @property
    def reading_deadline(self) -> Deadline:
        """The deadline, with the error of an action stopped while it reads pages."""
        return self.deadline.reporting("the time was up before all pages were read")
