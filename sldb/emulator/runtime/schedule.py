"""The schedule: EventBridge rules with a rate invoke their functions, asynchronously, at that rate.

A rule fires for the first time one period after its creation is noticed. AWS would ignore failed invocations; here a
target other than a function, a function without a permission for the rule, and a cron expression are logged as
warnings, once for each rule.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sldb.emulator.access import policy
from sldb.emulator.access.policy import Request
from sldb.emulator.calls import function_config
from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.runtime.functions import Functions

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_CHECKS_PER_MINUTE = 60
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Rule:
    arn: str
    region: str
    period_minutes: int
    targets: tuple[tuple[str, str | None], ...]  # ARN, input


class Schedule:
    def __init__(self, moto: Moto, functions: Functions, minute_seconds: float) -> None:
        self._moto = moto
        self._functions = functions
        self._minute_seconds = minute_seconds
        self._due: dict[_Rule, float] = {}  # monotonic seconds
        self._warned: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._minute_seconds / _CHECKS_PER_MINUTE):
            self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Fire the rules due at `now` (monotonic seconds)."""
        rules = self._rules()
        self._due = {rule: self._due.get(rule, now + self._period(rule)) for rule in rules}
        for rule in rules:
            if now >= self._due[rule]:
                self._due[rule] += self._period(rule)
                self._fire(rule)

    def _period(self, rule: _Rule) -> float:
        return rule.period_minutes * self._minute_seconds

    def _rules(self) -> list[_Rule]:
        with self._moto.lock:
            return [
                parsed
                for region in self._moto.regions("events")
                for bus in self._moto.backend("events", region).event_buses.values()
                for rule in bus.rules.values()
                if (parsed := self._parse(rule)) is not None
            ]

    def _parse(self, rule: Any) -> _Rule | None:
        if rule.state != "ENABLED" or not rule.scheduled_expression:
            return None
        rate = _RATE.fullmatch(rule.scheduled_expression)
        if rate is None:
            self._warn(rule.arn, f"the emulator runs rate(...) only, not {rule.scheduled_expression}")
            return None
        targets = tuple((target["Arn"], target.get("Input")) for target in rule.targets)
        return _Rule(rule.arn, rule.region_name, int(rate[1]) * _MINUTES[rate[2]], targets)

    def _fire(self, rule: _Rule) -> None:
        for arn, given in rule.targets:
            try:
                function = FunctionName.parse(arn, rule.region)
                self._check_permission(function, rule)
            except AwsError as error:
                self._warn(rule.arn, str(error))
                continue
            event = given if given is not None else json.dumps(_event(rule))
            self._functions.invoke_later(function, event.encode(), str(uuid.uuid4()))

    def _check_permission(self, function: FunctionName, rule: _Rule) -> None:
        """Raise AwsError if the function's policy does not let the rule invoke it."""
        function_config.read(self._moto, function)
        with self._moto.lock:
            found = self._moto.backend("lambda", function.region).get_function(function.name, function.qualifier)
            document = {"Statement": list(found.policy.statements)}
        request = Request(
            "lambda:InvokeFunction", function.arn, {"aws:sourcearn": (rule.arn,), "aws:sourceaccount": (ACCOUNT,)}
        )
        if policy.decide([document], request, ["events.amazonaws.com"]) != "allow":
            raise AwsError("AccessDeniedException", f"{function.name} does not let the rule invoke it", 403)

    def _warn(self, rule_arn: str, why: str) -> None:
        if rule_arn not in self._warned:
            self._warned.add(rule_arn)
            _logger.warning("scheduled rule %s: %s", rule_arn, why)


def _event(rule: _Rule) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": rule.region,
        "resources": [rule.arn],
        "detail": {},
    }
