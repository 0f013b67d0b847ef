"""The embedded metric format of CloudWatch, as its specification and JSON schema define it: what CloudWatch would take
from a line of a log.

Limits: "Specification: Embedded metric format" in CloudWatch's user guide, and the validator of AWS's own client
(awslabs/aws-embedded-metrics-python, constants.py and unit.py).
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_EVENT_BYTES = 256 * 1024
UNITS = {
    *("Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes"),
    *("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "None"),
    *(f"{unit}/Second" for unit in ("Bytes", "Kilobytes", "Megabytes", "Bits", "Kilobits", "Megabits", "Count")),
}


def metrics_in(line: str) -> dict[str, float]:
    """Return the metrics of a line, none if it is no document of the format; fail if it is an invalid one."""
    root = json.loads(line)
    if "_aws" not in root:
        return {}
    assert len(line.encode()) <= MAX_EVENT_BYTES
    metadata = root["_aws"]
    assert isinstance(metadata["Timestamp"], int)
    found: dict[str, float] = {}
    assert metadata["CloudWatchMetrics"]
    for directive in metadata["CloudWatchMetrics"]:
        assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
        assert re.fullmatch(r"[a-zA-Z0-9._#:/-]{1,256}", directive["Namespace"])
        _check_dimensions(directive["Dimensions"], root)
        assert 1 <= len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert metric.keys() <= {"Name", "Unit", "StorageResolution"}
            assert 1 <= len(metric["Name"]) <= 1024
            assert metric.get("Unit", "None") in UNITS
            value = root[metric["Name"]]
            assert type(value) in (int, float)
            found[metric["Name"]] = value
    return found


def _check_dimensions(sets: Any, root: dict[str, Any]) -> None:
    assert sets
    for names in sets:
        assert isinstance(names, list)
        assert len(names) <= 30
        for name in names:
            assert re.fullmatch(r"[\x20-\x7e]{1,250}", name)
            assert isinstance(root[name], str)
            assert 1 <= len(root[name]) <= 1024
            assert root[name].isascii()
