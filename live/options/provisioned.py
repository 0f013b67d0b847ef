"""Provisioned containers: the alias serves the code and settings of the last deployment, and they are warm."""

from __future__ import annotations

import time

from live.plan import MEMORY_MB, Failed, Option, Usage
from live.stage import Stage, expect
from sldb import price

_ONE = {"MemorySize": str(MEMORY_MB), "Architecture": "arm64", "ProvisionedConcurrency": "1"}


def _use(stage: Stage) -> None:
    ran = stage.on("--target", f"lambda:{stage.name}-function:live", "query", "SELECT 41 + 1 AS n", "--format", "csv")
    expect(ran.out.split() == ["n", "42"], f"the alias answers: {ran.out}")
    expect("containers are ready" in stage.sldb("doctor", status=None).out, "doctor sees the containers")


def _change(stage: Stage) -> str:
    """Change a setting of the function, and see it behind the alias."""
    began = time.monotonic()
    stage.sldb("deploy", "--timeout", "61", "--yes")
    took = time.monotonic() - began
    function = f"{stage.name}-function"
    found = stage.account.functions.get_function_configuration(FunctionName=function, Qualifier="live")
    if found["Timeout"] != 61:
        raise Failed(f"the alias has a version with the timeout {found['Timeout']}, and not that of the deployment")
    return f"a deployment moved the alias to version {found['Version']} in {took:.0f} s"


OPTION = Option(
    "provisioned",
    "a container that is kept ready, behind an alias",
    ("--no-readers", "--no-insights", "--alarms", "none", "--queue", "none", "--provisioned-concurrency", "1"),
    _use,
    {"provisioned": _change},
    Usage(dollars_a_month=price.provisioned(_ONE, price.MONTH_SECONDS)),
    is_short=False,
)
