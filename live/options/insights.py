"""The shapes of statements in the log."""

from __future__ import annotations

import time

from live.plan import Option
from live.stage import Stage, expect

SECONDS = 60.0  # until CloudWatch shows a line; nothing says how long that takes


def _use(stage: Stage) -> None:
    stage.query("SELECT 'secret' AS shown_by_insights")
    until = time.monotonic() + SECONDS
    shapes: list[str] = []
    while not any("shown_by_insights" in shape for shape in shapes):
        expect(time.monotonic() < until, f"the log has the statement within {SECONDS:.0f} s: {shapes}")
        time.sleep(0 if stage.is_emulated else 2)
        shapes = [row["statement"] for row in stage.json("insights", "--no-advice")]
    expect(not any("secret" in shape for shape in shapes), "no shape has a literal")


OPTION = Option("insights", "longer lines in the log", ("--lock", "s3", "--readers", "--insights"), _use)
