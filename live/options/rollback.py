"""The way back to the version before: its settings return, and what was written since stays."""

from __future__ import annotations

from live.plan import Option
from live.stage import Stage, expect


def _use(stage: Stage) -> None:
    before = _timeout(stage)
    stage.query("CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY)")
    stage.sldb("deploy", "--timeout", str(before + 1), "--yes")
    expect(_timeout(stage) == before + 1, f"the deployment changes the time limit: {_timeout(stage)}")
    stage.query("INSERT INTO kept DEFAULT VALUES")
    written = stage.query("SELECT count(*) FROM kept").rows
    stage.sldb("deploy", "--rollback", "--yes")
    expect(_timeout(stage) == before, f"the time limit before is back: {_timeout(stage)}")
    read = stage.query("SELECT count(*) FROM kept").rows
    expect(read == written, f"what was written since is there: {read} instead of {written}")
    newest = stage.json("status", "--versions")[0]
    expect(newest["live"] and newest["back_to"], f"the version is one that went back: {newest}")


def _timeout(stage: Stage) -> int:
    return int(stage.account.functions.get_function_configuration(FunctionName=f"{stage.name}-function")["Timeout"])


OPTION = Option("rollback", "nothing more", (), _use)
