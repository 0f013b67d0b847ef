"""The notes about the operation of a stack in the plan of a deployment: what follows, and what it costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sldb import price
from sldb.deploy.operation.options import has_alarms, has_metrics
from sldb.report import count

ALARMS, OF_READERS, OF_TOKENS, OF_QUEUE = 13, 1, 1, 2  # in the template: of each stack, and of its options
METRICS = 19  # custom metrics of a stack that has traffic at all hours; docs/operations.md lists them


def operation_notes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield the notes. `before`, `after`: the parameters of the stack."""
    mail = after["AlarmMail"]
    if has_alarms(after):
        alarms = count_alarms(after)
        key = price.KMS_KEY_MONTH if mail else 0.0
        dollars = alarms * price.ALARM_MONTH + key
        yield f"alarms: {alarms}, to {mail or after['AlarmTopic']}; about ${dollars:.2f} a month"
    if mail and mail != before.get("AlarmMail"):
        yield f"AWS sends a mail to {mail}: alarms reach it only after the link in that mail was followed"
    if after["Dashboard"] == "true" and before.get("Dashboard") != "true":
        dollars = price.DASHBOARD_MONTH
        yield f"the dashboard is free as one of the first three of the account, ${dollars:.2f} a month as a further one"
    if after["Tracing"] == "true" and before.get("Tracing") != "true":
        yield f"X-Ray: ${price.XRAY_TRACE * 1_000_000:.2f} per million recorded traces, after the first 100,000 a month"
    if reserved := after["ReservedConcurrency"]:
        yield f"reserved for the query function: {count(int(reserved), 'invocation')} at a time; more are refused (429)"
    if has_metrics(after) and not has_metrics(before):
        dollars = METRICS * price.METRIC_MONTH
        yield f"metrics: up to {METRICS} custom metrics, ${dollars:.2f} a month if there is traffic at all hours"
    if after["Metrics"] == "databases":
        yield f"metrics of each database: up to 13 custom metrics, ${13 * price.METRIC_MONTH:.2f} a month each"


def count_alarms(parameters: Mapping[str, str]) -> int:
    """Return the number of alarms of a stack by its parameters."""
    if not has_alarms(parameters):
        return 0
    readers = OF_READERS * (parameters.get("Readers") == "true")
    tokens = OF_TOKENS * (parameters.get("ApiToken") == "true")
    queue = OF_QUEUE * (parameters.get("Queue", "none") != "none")
    return ALARMS + readers + tokens + queue
