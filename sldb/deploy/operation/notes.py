"""The notes about the operation of a stack in the plan of a deployment: what follows from a change, and what it costs.
Pure: nothing is said of what stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sldb import price
from sldb.deploy.operation.options import has_alarms, has_metrics
from sldb.report import count
from sldb.stack.names import ALIAS

METRICS = 21  # custom metrics of a stack that has traffic at all hours; docs/operations.md lists them
# As the templates have it.
_ALARM = re.compile(r"^    Type: AWS::CloudWatch::Alarm\n    Condition: (\w+)$", re.MULTILINE)


def operation_notes(before: Mapping[str, str], after: Mapping[str, str], alarms: tuple[int, int]) -> Iterator[str]:
    """Yield the notes. `before`, `after`: the parameters of the stack; `alarms`: the numbers of them then."""
    mail = after["AlarmMail"]
    changed = {name for name in after if after[name] != before.get(name)}
    if alarms[1] and (alarms[0] != alarms[1] or changed & {"AlarmMail", "AlarmTopic"}):
        key = price.KMS_KEY_MONTH if mail else 0.0
        dollars = alarms[1] * price.ALARM_MONTH + key
        yield f"alarms: {alarms[1]}, to {mail or after['AlarmTopic']}; about ${dollars:.2f} a month"
    if mail and "AlarmMail" in changed:
        yield f"AWS sends a mail to {mail}: alarms reach it only after the link in that mail was followed"
    if after["Dashboard"] == "true" and "Dashboard" in changed:
        dollars = price.DASHBOARD_MONTH
        yield f"the dashboard is free as one of the first three of the account, ${dollars:.2f} a month as a further one"
    if after["Tracing"] == "true" and "Tracing" in changed:
        yield f"X-Ray: ${price.XRAY_TRACE * 1_000_000:.2f} per million recorded traces, after the first 100,000 a month"
    if (reserved := after["ReservedConcurrency"]) and "ReservedConcurrency" in changed:
        yield f"reserved for the query function: {count(int(reserved), 'invocation')} at a time; more are refused (429)"
    if changed & {"ProvisionedConcurrency", "MemorySize", "Architecture"}:
        yield from _provisioned(before, after)
    if has_metrics(after) and not has_metrics(before):
        dollars = METRICS * price.METRIC_MONTH
        yield f"metrics: up to {METRICS} custom metrics, ${dollars:.2f} a month if there is traffic at all hours"
    if after["Metrics"] == "databases" and "Metrics" in changed:
        yield f"metrics of each database: up to 13 custom metrics, ${13 * price.METRIC_MONTH:.2f} a month each"


def _provisioned(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    target = f"lambda:{after.get('FunctionName', '')}:{ALIAS}"
    if containers := after["ProvisionedConcurrency"]:
        dollars = price.provisioned(after, price.MONTH_SECONDS)
        yield (
            f"kept ready: {count(int(containers), 'container')} of the query function, ${dollars:.2f} a month "
            f"even without calls, for the APIs, the queue and callers of {target}"
        )
    elif before.get("ProvisionedConcurrency"):
        yield f"the alias {ALIAS} is removed: callers of {target} are refused"


def count_alarms(parameters: Mapping[str, str], template: str) -> int:
    """Return the number of alarms of a stack by its parameters and its template."""
    if not has_alarms(parameters):
        return 0
    missing = {
        "HasReadAlarms": parameters.get("Readers") != "true",
        "HasTokenAlarms": parameters.get("ApiToken") != "true",
        "HasQueueAlarms": parameters.get("Queue", "none") == "none",
    }
    return sum(not missing.get(condition, False) for condition in _ALARM.findall(template))
