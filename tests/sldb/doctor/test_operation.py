"""What `sldb doctor` says of provisioned containers, by what Lambda says of them."""

from __future__ import annotations

import pytest

from sldb.doctor.operation import provisioned

REASON = "FUNCTION_ERROR_INIT_FAILURE"


@pytest.mark.parametrize(
    ("status", "ready", "level", "says"),
    [
        ("READY", 3, "ok", "3 of 3 containers are ready"),
        ("IN_PROGRESS", 1, "warn", "1 of 3 containers are ready, and Lambda makes the others"),
        ("FAILED", 0, "fail", f"0 of 3 containers are ready: {REASON}"),
    ],
)
def test_containers_that_are_not_ready_are_reported(status: str, ready: int, level: str, says: str) -> None:
    counts = {"Requested": 3, "Available": ready, "Allocated": ready}
    found = {f"{name}ProvisionedConcurrentExecutions": count for name, count in counts.items()}
    finding = provisioned({"Status": status, "StatusReason": REASON, **found})
    assert (finding.state, finding.says) == (level, says)
