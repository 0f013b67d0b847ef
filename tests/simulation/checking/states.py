"""The states of a database as the checker replays them, and what happened to a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.simulation.checking.model import EMPTY, Ran
from tests.simulation.histories.outcome import Delivery, Outcome
from tests.simulation.world.faults import DAMAGE, Fault


@dataclass(frozen=True, slots=True)
class State:
    """The state after one transaction."""

    database: bytes  # of the model
    ran: Ran | None  # None at the beginning, and where no statement made it
    timestamp_ms: int
    made_at: float
    shows: tuple[Any, ...] = ()  # of an interactive transaction: the outcome of each of its statements


BEGINNING = State(EMPTY, None, 0, 0.0)


def met_damage(outcome: Outcome, delivery: Delivery) -> bool:
    """Return True if an answer from the store to the delivery was damaged."""
    return any(fault in DAMAGE for fault in faults_of(outcome, delivery))


def faults_of(outcome: Outcome, delivery: Delivery) -> list[Fault]:
    its_calls = f"{delivery.operation.number}.{delivery.number}."
    return [fault for name, fault in outcome.faults.items() if name.startswith(its_calls)]
