"""What the past costs: few LISTs, in a log of 100,000 transactions too, of a small database that is written each second
as well."""

from __future__ import annotations

from typing import cast

import pytest

from benchmarks.curves.past import OPERATIONS, LogOf, log_of, small_log_of
from lambda_handlers.store.protocol import ObjectStore


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("made", [log_of, small_log_of])
def test_at_most_eight_lists(made: LogOf, operation: str) -> None:
    log = made(100_000)
    OPERATIONS[operation](cast("ObjectStore", log), 100_000)
    assert 2 <= log.asked["LIST"] <= 5
