"""Drift detection: the properties of a stack's resources as deployed, compared with the actual ones.

A detection is complete at the second look at its status, so that callers must poll, as for AWS. A type compares
what its `actual` reads; the others of its properties count as unchanged.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sldb.emulator.cloudformation.plan import difference
from sldb.emulator.cloudformation.resources.base import Properties
from sldb.emulator.cloudformation.stack import Resource, Stack, now
from sldb.emulator.cloudformation.template import invalid

# Without drift detection, as in CloudFormation's list of resource types. Not verified on AWS.
NOT_SUPPORTED = frozenset({"AWS::ApiGateway::GatewayResponse", "AWS::ApiGatewayV2::ApiMapping"})


@dataclass(slots=True)
class Detection:
    stack_id: str
    drifts: list[dict[str, Any]]
    at: datetime = field(default_factory=now)
    looks: int = 0

    @property
    def drifted(self) -> int:
        return sum(each["StackResourceDriftStatus"] != "IN_SYNC" for each in self.drifts)


class Detections:
    def __init__(self) -> None:
        self._by_id: dict[str, Detection] = {}

    def begin(self, stack: Stack, actual: Mapping[str, Properties | None]) -> str:
        """Compare all resources of a stack; return the id of the detection."""
        checked = [each for each in stack.resources.values() if each.type not in NOT_SUPPORTED]
        detection_id = str(uuid.uuid4())
        self._by_id[detection_id] = Detection(stack.id, [_drift(stack, one, actual[one.logical_id]) for one in checked])
        return detection_id

    def status(self, detection_id: str) -> dict[str, Any]:
        """Return the answer to DescribeStackDriftDetectionStatus."""
        found = self._by_id.get(detection_id)
        if found is None:
            raise invalid(f"Drift detection {detection_id} does not exist")
        found.looks += 1
        shown = {"StackId": found.stack_id, "StackDriftDetectionId": detection_id, "Timestamp": found.at}
        if found.looks == 1:
            return {**shown, "DetectionStatus": "DETECTION_IN_PROGRESS"}
        status = "DRIFTED" if found.drifted else "IN_SYNC"
        counted = {"StackDriftStatus": status, "DriftedStackResourceCount": found.drifted}
        return {**shown, "DetectionStatus": "DETECTION_COMPLETE", **counted}

    def newest(self, stack: Stack) -> list[dict[str, Any]]:
        """Return the drifts of the newest detection of a stack."""
        found = [each for each in self._by_id.values() if each.stack_id == stack.id]
        return found[-1].drifts if found else []


def _drift(stack: Stack, resource: Resource, actual: Properties | None) -> dict[str, Any]:
    expected = resource.properties
    shown = {
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ExpectedProperties": json.dumps(expected),
        "Timestamp": now(),
    }
    if actual is None:
        return {**shown, "StackResourceDriftStatus": "DELETED"}
    differing = difference(expected, actual)
    return {
        **shown,
        "ActualProperties": json.dumps(actual),
        "PropertyDifferences": [_difference(name, expected.get(name), actual.get(name)) for name in differing],
        "StackResourceDriftStatus": "MODIFIED" if differing else "IN_SYNC",
    }


def _difference(name: str, expected: Any, actual: Any) -> dict[str, str]:
    kind = "REMOVE" if actual is None else "ADD" if expected is None else "NOT_EQUAL"
    shown = {"ExpectedValue": _text(expected), "ActualValue": _text(actual)}
    return {"PropertyPath": f"/{name}", "DifferenceType": kind, **shown}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
