"""The watch over all alarms: once a minute of the emulator their states are judged anew, and changes are published."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.monitoring.alarm_states import ALARM, INSUFFICIENT, OK, Rule, judge
from sldb.emulator.monitoring.embedded import Datapoint
from sldb.emulator.monitoring.metrics import Metrics
from sldb.emulator.monitoring.notices import Notices

_ACTIONS: Mapping[str, str] = {
    ALARM: "alarm_actions",
    OK: "ok_actions",
    INSUFFICIENT: "insufficient_data_actions",
}
_logger = logging.getLogger(__name__)


class Watch:
    def __init__(
        self,
        moto: Moto,
        metrics: Metrics,
        notices: Notices,
        minute_seconds: float,
        queue_metrics: Callable[[float], Iterable[tuple[str, Datapoint]]] = lambda _at: (),
    ) -> None:
        """`queue_metrics`: from a time to the data of all queues then, each with its region."""
        self._moto = moto
        self._metrics = metrics
        self._notices = notices
        self._minute_seconds = minute_seconds
        self._queue_metrics = queue_metrics
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._minute_seconds):
            self.tick(time.time())

    def tick(self, now: float) -> None:
        """Judge all alarms at `now` (unix seconds)."""
        for region, datum in self._queue_metrics(now - 1):
            self._metrics.put(region, [datum])
        with self._moto.lock:
            for region in self._moto.regions("cloudwatch"):
                self._metrics.forget_old(region, now)
                for alarm in list(self._moto.backend("cloudwatch", region).alarms.values()):
                    if alarm.metric_name:
                        self._judge(region, alarm, now)

    def _judge(self, region: str, alarm: Any, now: float) -> None:
        dimensions = frozenset((each.name, each.value) for each in alarm.dimensions)
        values = self._metrics.values(region, alarm.namespace, alarm.metric_name, dimensions)
        verdict = judge(rule_of(alarm), values, now, alarm.state_value)
        if verdict.state == alarm.state_value:
            return
        alarm.update_state(verdict.reason, json.dumps({}), verdict.state)
        if not alarm.actions_enabled:
            return
        for action in getattr(alarm, _ACTIONS[verdict.state]) or []:
            if refused := self._notices.send(action, alarm, region):
                _logger.warning("alarm %s: Failed to execute action %s: %s", alarm.name, action, refused)


def rule_of(alarm: Any) -> Rule:
    """Return the rule of moto's alarm."""
    periods = int(alarm.evaluation_periods)
    return Rule(
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        period_seconds=int(alarm.period),
        periods=periods,
        to_alarm=int(alarm.datapoints_to_alarm or periods),
        statistic=alarm.extended_statistic or alarm.statistic,
        missing=alarm.treat_missing_data or "missing",
    )
