"""The options of `sldb deploy`, in their order for one stack. A new option is a module and a line here."""

from __future__ import annotations

from live.options import (
    alarms,
    api_kinds,
    backup,
    dashboard,
    efs,
    http_api,
    insights,
    kms,
    locks,
    provisioned,
    queue,
    readers,
    repair,
    rollback,
)
from live.plan import Option

OPTIONS: tuple[Option, ...] = (
    *locks.OPTIONS,
    readers.OPTION,
    insights.OPTION,
    *dashboard.OPTIONS,
    alarms.OPTION,
    *queue.OPTIONS,
    provisioned.OPTION,
    http_api.OPTION,
    api_kinds.OPTION,
    repair.OPTION,
    rollback.OPTION,
    backup.OPTION,
    kms.OPTION,
    efs.OPTION,
)
