"""Rules of CloudWatch that moto lacks. Called under moto's lock.

A new alarm is in INSUFFICIENT_DATA until it is judged, and a changed one keeps its state; moto's are OK after each
change. A dashboard's body is a JSON object with widgets (PutDashboard, "Dashboard body structure and syntax").
"""

from __future__ import annotations

import json
from typing import Any

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.monitoring.alarm_states import INSUFFICIENT

_MAX_DAY_SECONDS = 86_400  # of all periods of an alarm together
_STATE = ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history")


def answer(moto: Moto, call: Call) -> Answer:
    """Return the answer to a call of CloudWatch. Raises AwsError."""
    if call.action == "PutDashboard":
        _check_dashboard(json.loads(call.body))
    if call.action != "PutMetricAlarm":
        return moto.apply(call)
    wanted = json.loads(call.body)
    _check_alarm(wanted)
    alarms = moto.backend("cloudwatch", call.region).alarms
    old = alarms.get(wanted["AlarmName"])
    done = moto.apply(call)
    alarm = alarms.get(wanted["AlarmName"])
    if alarm is not None and alarm is not old:
        kept = {name: getattr(old, name) for name in _STATE} if old else {"state_value": INSUFFICIENT}
        for name, value in kept.items():
            setattr(alarm, name, value)
    return done


def _check_alarm(wanted: dict[str, Any]) -> None:
    period, periods = wanted.get("Period", 60), wanted["EvaluationPeriods"]
    if period not in (10, 20, 30) and period % 60:
        raise AwsError("ValidationError", f"Period must be 10, 20, 30 or a multiple of 60: {period}")
    if period * periods > _MAX_DAY_SECONDS and period < 3600:
        raise AwsError("ValidationError", "Metrics cannot be checked across more than a day")
    if wanted.get("DatapointsToAlarm", 1) > periods:
        raise AwsError("ValidationError", "DatapointsToAlarm must not exceed EvaluationPeriods")


def _check_dashboard(wanted: dict[str, Any]) -> None:
    try:
        widgets = json.loads(wanted["DashboardBody"])["widgets"]
    except (ValueError, KeyError, TypeError):
        widgets = None
    if not isinstance(widgets, list):
        raise AwsError("InvalidParameterInput", "The field DashboardBody must be a valid JSON object with widgets")
