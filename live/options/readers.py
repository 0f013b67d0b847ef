"""The function for reading alone. It is deployed together with the next option, which spares an update."""

from __future__ import annotations

from live.plan import Option
from live.stage import Stage, expect


def _use(stage: Stage) -> None:
    target = ("--target", f"lambda:{stage.name}-function-read")
    stage.query("CREATE TABLE IF NOT EXISTS read_by_others (id INTEGER PRIMARY KEY)")
    ran = stage.on(*target, "query", "SELECT count(*) AS n FROM read_by_others", "--format", "csv")
    expect(ran.out.split() == ["n", "0"], f"the reader reads: {ran.out}")
    ran = stage.on(*target, "query", "INSERT INTO read_by_others VALUES (1)", status=1)
    expect("only reads" in ran.err, f"the reader refuses to write: {ran.err}")


OPTION = Option(
    "readers", "a second function, which only reads", ("--lock", "s3", "--readers", "--insights"), _use, is_short=False
)
