"""The repair of a stack after a deletion by hand, by a drift-aware change set."""

from __future__ import annotations

from live.plan import Failed, Option
from live.stage import Stage, expect


def _use(stage: Stage) -> None:
    expect(stage.sldb("doctor", status=None).status == 0, "doctor finds nothing before anything is deleted")


def _repair(stage: Stage) -> str:
    """Delete the log group of the query function, and deploy."""
    group = f"/aws/lambda/{stage.name}-function-deadlock-fix"
    stage.account.logs.delete_log_group(logGroupName=group)
    stage.sldb("deploy", "--yes")
    found = stage.account.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    if not found:
        raise Failed(f"`sldb deploy` did not make {group} again, which was deleted by hand")
    return "a log group that was deleted by hand was made again by `sldb deploy`"


OPTION = Option("repair", "nothing more", (), _use, {"repair": _repair})
