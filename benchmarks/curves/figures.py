"""Figures of one operation, and tables of them: what each curve is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.simulated_s3 import Figures, SimulatedS3
from sldb import price

MEMORY_MB = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """An operation at one size."""

    at: float  # the value on the axis
    operation: str
    requests: int
    rounds: int
    down: int  # bytes
    up: int
    ms: float
    dollars: float
    verbs: str
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    axis: str
    rows: list[Row]

    @classmethod
    def decode(cls, fields: dict[str, Any]) -> Table:
        return cls(fields["name"], fields["axis"], [Row(**row) for row in fields["rows"]])


def measure(store: SimulatedS3, at: float, operation: str, act: Callable[[], Any], tries: int = 1) -> Row:
    """Return the figures of the fastest of some executions."""
    figures = min((store.measure(act)[1] for _ in range(tries)), key=lambda each: each.ms)
    return row_of(at, operation, figures)


def row_of(at: float, operation: str, figures: Figures, **extra: float) -> Row:
    reads = sum(one.verb in ("GET", "HEAD") for one in figures.asked)
    free = sum(one.verb.startswith("DELETE") for one in figures.asked)
    requests = reads * price.S3_READ + (figures.requests - reads - free) * price.S3_WRITE
    dollars = requests + price.run(MEMORY_MB, figures.ms, "aarch64")
    return Row(
        at,
        operation,
        figures.requests,
        figures.rounds,
        figures.down,
        figures.up,
        figures.ms,
        dollars,
        figures.by_verb,
        dict(extra),
    )
