"""The outcome of a plan: the answers to each client, and the content of the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.checking.ledger import Entry, Ledger
from tests.simulation.histories.history import History
from tests.simulation.histories.plan import Operation, Plan
from tests.simulation.histories.shown import Known
from tests.simulation.world.bucket import Bucket
from tests.simulation.world.container import Container
from tests.simulation.world.faults import Fault

SECOND_DELIVERY = 100  # what its numbers, of the same tries, begin with


class Delivery:
    """One arrival of an operation at a container."""

    def __init__(self, operation: Operation, number: int, event: Any, begun_at: float) -> None:
        self.operation = operation
        self.number = number
        self.event = event
        self.begun_at = begun_at
        self.ended_at = float("inf")  # when somebody had the answer
        self.container: Container | None = None
        self.reply: dict[str, Any] | None = None  # None: nobody answered
        self.entries: list[Entry] = []  # transactions that it made
        self.known: Known | None = None  # in a transaction: of the token that it sends
        self._calls = 0

    @property
    def invocation_id(self) -> str:
        """Lambda's id: the same when Lambda itself delivers an invocation twice."""
        return f"invocation-{self.operation.number}-{self.number % SECOND_DELIVERY}"

    def next_call(self) -> str:
        self._calls += 1
        return f"{self.operation.number}.{self.number}.{self._calls}"

    def __str__(self) -> str:
        where = f"@{self.container}" if self.container else ""
        return f"#{self.operation.number}.{self.number}{where}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A database as read by a new container at the end, page by page."""

    database: str
    at: int | None  # None: the newest state
    txid: int = 0
    file: bytes = b""
    problem: str = ""  # why it could not be read


@dataclass(slots=True)
class Seen:
    """The knowledge of clients about one database: the time of each answer and its transaction."""

    times: list[tuple[float, int]] = field(default_factory=list)  # ascending in both

    def note(self, time: float, txid: int) -> None:
        if txid > self.newest:
            self.times.append((time, txid))

    @property
    def newest(self) -> int:
        return self.times[-1][1] if self.times else 0

    def at(self, time: float) -> int:
        """Return the newest transaction seen before a moment."""
        return max((txid for moment, txid in self.times if moment < time), default=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    plan: Plan
    history: History
    ledger: Ledger
    bucket: Bucket
    deliveries: list[Delivery]
    seen: dict[str, Seen]
    faults: dict[str, Fault]
    readings: list[Reading]

    @property
    def retention_seconds(self) -> float:
        return self.plan.retention_days * 86_400

    def counted_faults(self) -> Counter[str]:
        return Counter(fault.value for fault in self.faults.values())

    def counted(self) -> Counter[str]:
        """Return the number of operations, by kind."""
        requests = [one for one in self.deliveries if one.operation.kind in ("sql", "action")]
        in_transactions = [one for one in self.deliveries if one.operation.kind == "transaction"]
        logs = self.ledger.logs.values()
        return Counter(
            {
                "requests delivered": len(requests),
                "requests answered": sum(one.reply is not None and one.reply["statusCode"] == 200 for one in requests),
                "requests inside transactions": len(in_transactions),
                "interactive commits": sum(len(one.entries) for one in in_transactions),
                "transactions": sum(log.newest for log in logs),
                "compacted files": sum(len(log.compacted) for log in logs),
                "LTX files deleted": sum(log.deleted for log in logs),
                "containers gone": sum(what == "is gone" for _, _, what in self.history.events),
                "work items": len(self.ledger.work_items.ever),
                "containers stopped before work after a reply": sum(
                    what.startswith("work after the reply:") for _, _, what in self.history.events
                ),
                "files of zombies": sum(log.zombies for log in logs),
                "locks freed by force": sum("whoever that is" in what for _, _, what in self.history.events),
            }
        )
