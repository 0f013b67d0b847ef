"""The order of the tests, and what of them one worker runs.

A worker takes a whole file, whose fixtures of scope `module` are then set up once, or a folder that has one of scope
`package`. Long files without such fixtures are spread: each of their tests is taken by itself, so that no worker waits
for another that is busy with the file.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling

# The files with the slowest tests begin: at the end, one worker would wait for the other.
SLOW = (
    *("tests/end_to_end/", "tests/test_stacks_end_to_end.py", "tests/test_transfer_end_to_end.py"),
    *("tests/simulation/", "tests/chaos/", "tests/oracles/", "tests/sldb/deploy/", "tests/sldb/doctor/"),
)
SPREAD = (
    *("tests/simulation/", "tests/oracles/", "tests/sldb/deploy/test_", "tests/sldb/deploy/kept/"),
    *("tests/sldb/doctor/test_a", "tests/lambda_handlers/database/test_writer_turns.py"),
)
TOGETHER = ("tests/end_to_end/",)


def put_slow_first(items: list[pytest.Item]) -> None:
    """Within a file the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


def unit(nodeid: str) -> str:
    """Return the name of what is given to one worker together with this test: its file, its folder, or the test."""
    folders = [folder for folder in TOGETHER if nodeid.startswith(folder)]
    return nodeid if nodeid.startswith(SPREAD) else folders[0] if folders else nodeid.split("::", 1)[0]


class Scheduling(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
