"""Checks of an HTTP interface, from outside: it answers, it accepts the credentials, and for which databases.

The right to write is not tried: it takes a write.
"""

from __future__ import annotations

from collections.abc import Iterator

from sldb.client import Client
from sldb.doctor.finding import Finding, checked, ok
from sldb.doctor.local import engine
from sldb.progress.protocol import SILENT, Progress
from sldb.report import count

MAX_NAMES = 10  # in a finding


def findings(client: Client, progress: Progress = SILENT) -> Iterator[Finding]:
    """Yield the findings as they come; `progress` gets the name of each check before it."""
    progress.begin("checking the engine")
    answers = checked("engine", lambda: engine(client))
    yield answers
    progress.begin("checking the rights")
    if answers.state == "ok":
        yield checked("rights", lambda: rights(client))


def rights(client: Client) -> Finding:
    """Return the databases that these credentials may read. Raises SldbError."""
    names = client.database_names()
    shown = ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
    noun = count(len(names), "database")
    return ok("rights", f"{noun} can be read: {shown}" if names else "there is no database yet that can be read")
