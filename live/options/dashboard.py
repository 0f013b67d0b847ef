"""The dashboard and the reserved concurrency. Both are deployed with the next option, which spares an update."""

from __future__ import annotations

from live.options.alarms import ARGUMENTS, RESERVED
from live.plan import Option, Usage
from live.stage import Stage, expect
from sldb import price


def _use(stage: Stage) -> None:
    found = stage.account.session.client("cloudwatch").get_dashboard(DashboardName=stage.name)
    expect("widgets" in found["DashboardBody"], "the dashboard has widgets")


def _reserved(stage: Stage) -> None:
    found = stage.account.functions.get_function_concurrency(FunctionName=f"{stage.name}-function")
    got = found.get("ReservedConcurrentExecutions")
    expect(got == RESERVED, f"{RESERVED} invocations at a time are reserved: {got}")
    expect(stage.query("SELECT 41 + 1").rows == [(42,)], "the function answers")


OPTIONS = (
    Option(
        "dashboard",
        "a dashboard, metrics",
        ARGUMENTS,
        _use,
        usage=Usage(dollars_a_month=price.DASHBOARD_MONTH + 20 * price.METRIC_MONTH),
    ),
    Option("reserved", "invocations at a time that are set apart from the account's", ARGUMENTS, _reserved),
)
