"""The repair of a stack after a deletion by hand, by a drift-aware change set."""

from __future__ import annotations

from live.plan import Failed, Option
from live.stage import Stage, expect


def _use(stage: Stage) -> None:
    expect(stage.sldb("doctor", status=None).status == 0, "doctor finds nothing before anything is deleted")


def _repair(stage: Stage) -> str:
    """Delete the log group of the query function, and deploy."""
    group = f"/aws/lambda/{stage.name}-function"  # the other function writes to its own each minute
    stage.account.logs.delete_log_group(logGroupName=group)
    stage.sldb("deploy", "--yes")
    found = stage.account.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    if not any(each["logGroupName"] == group for each in found):
        raise Failed(f"`sldb deploy` did not make {group} again, which was deleted by hand")
    return "a log group that was deleted by hand was made again by `sldb deploy`"


def _drift(stage: Stage) -> str:
    """Change the retention of a log group and the memory of a function, look for both, and revert them."""
    function = f"{stage.name}-function"
    stage.account.logs.put_retention_policy(logGroupName=f"/aws/lambda/{function}", retentionInDays=1)
    stage.account.functions.update_function_configuration(FunctionName=function, MemorySize=512)
    ran = stage.sldb("status", "--drift", status=1)
    missing = [name for name in ("RetentionInDays", "MemorySize") if name not in ran.out]
    if missing:
        raise Failed(f"`sldb status --drift` does not show {' and '.join(missing)}, changed by hand")
    stage.sldb("deploy", "--repair", "--yes")
    if stage.sldb("status", "--drift", status=None).status:
        raise Failed("`sldb deploy --repair` did not revert all changes by hand")
    return "the retention of a log group and the memory of a function, changed by hand, were shown and reverted"


OPTION = Option("repair", "nothing more", ("--alarms", "none"), _use, {"repair": _repair, "drift": _drift})
