"""Metrics in a line of a log, in CloudWatch's embedded metric format. Pure.

CloudWatch ignores a line that is no such document, and a metric whose value is none or whose dimension is missing.
Source: "Specification: Embedded metric format", CloudWatch's user guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Datapoint:
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    at: float  # unix seconds
    unit: str = "None"


def datapoints(line: str) -> Iterator[Datapoint]:
    """Yield the data of a line."""
    if '"_aws"' not in line:
        return
    try:
        root = json.loads(line)
        metadata = root["_aws"]
        at, directives = metadata["Timestamp"] / 1000, metadata["CloudWatchMetrics"]
        for directive in directives:
            yield from _of_directive(root, directive, at)
    except (ValueError, KeyError, TypeError):  # CloudWatch counts them as EMFParsingErrors, and goes on
        return


def _of_directive(root: Mapping[str, Any], directive: Mapping[str, Any], at: float) -> Iterator[Datapoint]:
    for names in directive["Dimensions"]:
        targets = tuple((str(name), str(root[name])) for name in names if isinstance(root.get(name), str))
        if len(targets) < len(names):
            continue
        for metric in directive["Metrics"]:
            found = root.get(metric["Name"])
            for value in found if isinstance(found, list) else [found]:
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    unit = metric.get("Unit", "None")
                    yield Datapoint(directive["Namespace"], metric["Name"], targets, float(value), at, unit)
