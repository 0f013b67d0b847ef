"""The metrics of the emulated AWS: moto's, with those that functions and queues have by themselves.

Lambda counts invocations, errors, throttles and durations of each function. SQS counts the visible messages of each
queue, once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from moto.cloudwatch.models import MetricDatum

from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.monitoring.embedded import Datapoint, datapoints

KEPT_SECONDS = 3 * 3600.0  # AWS keeps them for months


class Metrics:
    """The data of all regions, in moto's state; every method takes moto's lock."""

    def __init__(self, moto: Moto, now: Callable[[], float] = time.time) -> None:
        """`now`: unix seconds, of an invocation."""
        self._moto = moto
        self.now = now

    def put(self, region: str, found: Iterable[Datapoint]) -> None:
        """Add data."""
        data = [
            MetricDatum(
                each.namespace,
                each.name,
                each.value,
                [{"Name": name, "Value": value} for name, value in each.dimensions],
                datetime.fromtimestamp(each.at, timezone.utc).replace(tzinfo=None),  # as moto's own
                each.unit,
            )
            for each in found
        ]
        if data:
            with self._moto.lock:
                self._moto.backend("cloudwatch", region).metric_data.extend(data)

    def put_lines(self, region: str, lines: Iterable[str]) -> None:
        """Add the data in lines of a log."""
        self.put(region, (each for line in lines for each in datapoints(line)))

    def invoked(self, region: str, function: str, seconds: float, *, failed: bool) -> None:
        """Add the data of an invocation."""
        values = {"Invocations": (1.0, "Count"), "Errors": (float(failed), "Count")}
        values["Duration"] = (seconds * 1000, "Milliseconds")
        now = self.now()
        self.put(
            region,
            (_of_function(name, function, value, unit, now) for name, (value, unit) in values.items()),
        )

    def throttled(self, region: str, function: str) -> None:
        self.put(region, [_of_function("Throttles", function, 1.0, "Count", self.now())])

    def values(
        self, region: str, namespace: str, name: str, dimensions: frozenset[tuple[str, str]]
    ) -> list[tuple[float, float]]:
        """Return (unix seconds, value) of each datum of one metric."""
        with self._moto.lock:
            return [
                (datum.timestamp.replace(tzinfo=timezone.utc).timestamp(), datum.value)
                for datum in self._moto.backend("cloudwatch", region).metric_data
                if datum.name == name
                and datum.namespace == namespace
                and hasattr(datum, "value")
                and {(each.name, each.value) for each in datum.dimensions} == dimensions
            ]

    def forget_old(self, region: str, now: float) -> None:
        """Remove what no alarm can look at any more."""
        oldest = datetime.fromtimestamp(now - KEPT_SECONDS, timezone.utc).replace(tzinfo=None)
        with self._moto.lock:
            backend = self._moto.backend("cloudwatch", region)
            backend.metric_data = [each for each in backend.metric_data if each.timestamp.replace(tzinfo=None) > oldest]


def _of_function(name: str, function: str, value: float, unit: str, at: float) -> Datapoint:
    return Datapoint("AWS/Lambda", name, (("FunctionName", function),), value, at, unit)
