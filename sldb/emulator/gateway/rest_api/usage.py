"""API keys, and the limits of usage plans for them.

A plan's rate, burst and quota are those of each key, over all stages of the plan. The counts of a quota are kept in
memory: they begin anew with the process. A day, a week and a month begin at midnight UTC, a week on Sunday; AWS
does not document the day.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sldb.emulator.gateway.rest_api.documents import Document
from sldb.emulator.gateway.rest_api.failures import Failed
from sldb.emulator.gateway.throttling import Limit, Throttle

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Permit:
    """A key with access to a stage, and its plan."""

    key_id: str
    value: str
    plan_id: str
    limit: Limit | None
    quota: tuple[int, str] | None  # requests, and the period


def permit(region: Document, api_id: str, stage: str, value: str | None) -> Permit:
    """Return the permit of a key, given by its value. Raises Failed for a missing, unknown or disabled key, or one
    without a usage plan for the stage. Called under moto's lock."""
    key = next((each for each in region["keys"].values() if each["_value"] == value), None)
    if value is None or key is None or not key["enabled"]:
        raise Failed("INVALID_API_KEY", "the key is missing, unknown or disabled")
    wanted = {"apiId": api_id, "stage": stage}
    for plan in region["plans"].values():
        if wanted in plan["apiStages"] and key["id"] in region["planKeys"].get(plan["id"], {}):
            return Permit(key["id"], value, plan["id"], _limit(plan), _quota(plan))
    raise Failed("INVALID_API_KEY", "the key has no usage plan for the stage")


def _limit(plan: Mapping[str, Any]) -> Limit | None:
    throttle = plan.get("throttle")
    return Limit(float(throttle["rateLimit"]), int(throttle["burstLimit"])) if throttle else None


def _quota(plan: Mapping[str, Any]) -> tuple[int, str] | None:
    quota = plan.get("quota")
    return (int(quota["limit"]), str(quota["period"])) if quota else None


class Usage:
    """The use of all keys. Threads may share it."""

    def __init__(self, throttle: Throttle, now: Callable[[], float] = time.time) -> None:
        self._throttle = throttle
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()  # by plan, key and the name of the period

    def take(self, permit: Permit) -> None:
        """Count a request. Raises Failed if the key has no rate or quota left; such a request does not count."""
        if permit.limit is not None and not self._throttle.take((permit.plan_id, permit.key_id), permit.limit):
            raise Failed("THROTTLED", "the rate of the usage plan")
        if permit.quota is None:
            return
        most, period = permit.quota
        counted = (permit.plan_id, permit.key_id, period_name(period, self._now()))
        with self._lock:
            if self._counts[counted] >= most:
                raise Failed("QUOTA_EXCEEDED", "the quota of the usage plan")
            self._counts[counted] += 1


def period_name(period: str, now: float) -> str:
    """Return a name for the day, week or month (UTC) of a time in unix seconds."""
    if period == "MONTH":
        return time.strftime("%Y-%m", time.gmtime(now))
    if period == "WEEK":
        # The first Sunday was the fourth day of 1970.
        return f"week {int(now // _DAY_SECONDS - 3) // 7}"
    return time.strftime("%Y-%m-%d", time.gmtime(now))
