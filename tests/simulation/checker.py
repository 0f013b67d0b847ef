"""Whether a history keeps the promises: strict serializability, by replay.

The order of writes is the log's, and it is total; so the statements of each transaction are run again, in that order,
in plain SQLite (`model`), and everything that anybody was told is compared with it:

- every transaction's pages make the database that the model has, and SQLite finds it sound (`content`, `soundness`)
- a write that was acknowledged is there once, with these results; one that was refused never is; one that nobody
  answered for is there at most once (`lost write`, `results`, `refused yet applied`, `applied twice`)
- a read gave what the model has at its txid (`results`), and no older state than anybody had seen when it began,
  unless it allowed that, and then not older than it allowed (`stale`)
- with one request_id there is one effect and one result, however often it is sent
- nobody waits longer than his request's time, where nothing went wrong with it (`late`)
- what a failure says is true of some state that there was meanwhile (`false error`), and nothing is a bug (`bug`)
- compacted files hold exactly what the transactions hold (`compaction`)
- every transaction of the retention period reads as it was, by the product's own code (`history`)

Gaps, second creates and deletions of what is needed are seen when they happen (ledger).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import apsw

from lambda_handlers.wire import Reply
from tests.simulation import model
from tests.simulation.ledger import MOST_SKEW_SECONDS, Entry
from tests.simulation.model import EMPTY, Ran
from tests.simulation.outcome import Delivery, Outcome, Seen
from tests.simulation.pages import Image
from tests.simulation.plan import Operation

ID_MEMORY_SECONDS = 3600 - 2 * MOST_SKEW_SECONDS
LATE_SECONDS = 15.0  # what releasing a lock may take, whose calls EC2 turns away
UNEXPECTED = frozenset({"internal", "corrupt", "too_large", "bad_request", "forbidden", "read_only"})


@dataclass(frozen=True, slots=True)
class State:
    """After one transaction."""

    database: bytes  # of the model
    ran: Ran | None  # None at the beginning, and where no statement made it
    timestamp_ms: int
    made_at: float


def check(outcome: Outcome) -> None:
    """Adds to the history's violations. A log that is no log is not looked at further."""
    if outcome.history.violations:
        return
    by_database = {name: _replay(outcome, name) for name in outcome.ledger.logs}
    for delivery in outcome.deliveries:
        _Told(outcome, delivery, by_database.get(delivery.operation.database, [_BEGINNING])).check()


_BEGINNING = State(EMPTY, None, 0, 0.0)


def _replay(outcome: Outcome, database: str) -> list[State]:
    """The states of a database, by txid."""
    log, violate = outcome.ledger.log(database), outcome.history.violate
    states, image = [_BEGINNING], Image()
    compacted = sorted(log.compacted, key=lambda file: file[0].max_txid, reverse=True)
    for entry in log.entries:
        states.append(_after(outcome, states, entry))
        header = image.apply(entry.body, f"{database} {entry.txid}")
        states[-1] = replace(states[-1], timestamp_ms=header.timestamp_ms)
        _compare(outcome, f"transaction {entry.txid} of {database}", image.file(), states[-1].database)
        while compacted and compacted[-1][0].max_txid == entry.txid:
            name, body = compacted.pop()
            if problem := image.differs(body, name):
                violate("compaction", f"{name.key(database)}: {problem}")
    return states


def _after(outcome: Outcome, states: list[State], entry: Entry) -> State:
    operation: Operation = entry.by.operation
    violate = outcome.history.violate
    if entry.by.event.get("at") is not None or operation.fields.get("dry_run"):
        violate("wrote", f"{entry.by} may not write, and made transaction {entry.txid}")
    wanted = entry.by.event.get("if_txid")
    if wanted is not None and entry.txid != wanted + 1:
        violate("if_txid", f"{entry.by} wrote on {entry.txid - 1}, wanted {wanted}")
    try:
        ran = model.run(states[-1].database, operation.statements)
    except apsw.Error as error:
        violate("content", f"{entry.by} made transaction {entry.txid}, which SQLite refuses: {error}")
        return State(states[-1].database, None, 0, entry.at)
    return State(ran.state, ran, 0, entry.at)


def _compare(outcome: Outcome, what: str, image: bytes, wanted: bytes) -> None:
    try:
        problems = model.is_sound(image)
        is_same = model.content(image) == model.content(wanted)
    except apsw.Error as error:
        problems, is_same = [str(error)], True
    if problems:
        outcome.history.violate("soundness", f"{what}: {problems[:3]}")
    if not is_same:
        outcome.history.violate("content", f"{what} is not what its statements make of the one before")


class _Told:
    """What one delivery was told."""

    def __init__(self, outcome: Outcome, delivery: Delivery, states: list[State]) -> None:
        self._outcome = outcome
        self._delivery = delivery
        self._states = states
        self._operation = delivery.operation
        same = [one for one in outcome.deliveries if one.operation is self._operation]
        made = (entry for one in same for entry in one.entries)  # without an id, there are only Lambda's repetitions
        self._entries = sorted(made, key=lambda entry: entry.txid)

    def check(self) -> None:
        self._check_once()
        reply = self._delivery.reply
        if reply is None:
            return
        self._check_time()
        if self._operation.kind != "sql":
            return
        if reply["statusCode"] == 200:
            self._check_result(Reply.decode(reply["body"]))
        elif reply["statusCode"] != 204 and "error" in reply["body"]:
            self._check_error(reply["body"]["error"])

    def _violate(self, promise: str, details: str) -> None:
        self._outcome.history.violate(promise, f"{self._delivery} {self._operation.what}: {details}")

    def _check_once(self) -> None:
        """VACUUM has no id: twice does no harm."""
        is_vacuum = self._operation.what == "vacuum"
        for first, second in pairwise(self._entries):
            if second.at - first.at < ID_MEMORY_SECONDS and not is_vacuum:
                self._violate("applied twice", f"as {first.txid} and as {second.txid}")

    def _check_time(self) -> None:
        delivery, operation = self._delivery, self._operation
        limit = min(operation.fields.get("timeout", operation.function_seconds), operation.function_seconds)
        took = delivery.ended_at - delivery.begun_at
        if took <= limit + LATE_SECONDS:
            return
        its_calls = f"{operation.number}.{delivery.number}."
        met_something = any(name.startswith(its_calls) for name in self._outcome.faults)
        if not met_something and not delivery.container.was_frozen_since(delivery.begun_at):
            self._violate("late", f"took {took:.1f} s, and had {limit:.1f}")

    def _check_result(self, reply: Reply) -> None:
        txid = reply.txid
        if txid >= len(self._states):
            self._violate("results", f"tells of transaction {txid}, which nobody has made")
            return
        mine = [entry for entry in self._entries if entry.at <= self._delivery.ended_at]
        if mine:
            self._check_written(reply, mine)
        else:
            self._check_read(reply)
        if not any(entry.at < self._delivery.begun_at and entry.txid == txid for entry in mine):
            self._check_age(txid)

    def _check_written(self, reply: Reply, mine: list[Entry]) -> None:
        if reply.txid not in [entry.txid for entry in mine]:
            self._violate("results", f"was told {reply.txid}, but is in {[entry.txid for entry in mine]}")
            return
        ran = self._states[reply.txid].ran
        if ran is not None:
            self._compare_rows(reply, ran)

    def _check_read(self, reply: Reply) -> None:
        state = self._states[reply.txid].database
        try:
            ran = model.run(state, self._operation.statements)
        except apsw.Error as error:
            self._violate("results", f"answers at {reply.txid}, where SQLite says {error}")
            return
        self._compare_rows(reply, ran)
        is_dry = self._operation.fields.get("dry_run", False)
        if not is_dry and model.content(ran.state) != model.content(state):
            self._violate("lost write", f"was acknowledged as {reply.txid}, and no transaction is its own")

    def _compare_rows(self, reply: Reply, ran: Ran) -> None:
        got = [json.dumps(result.rows) for result in reply.results]
        want = [json.dumps(rows) for rows in ran.rows]
        if got != want:
            self._violate("results", f"at {reply.txid}: got {got}, want {want}")
            return
        counts = [
            None if want is None else result.rowcount for result, want in zip(reply.results, ran.counts, strict=True)
        ]
        if counts != list(ran.counts) and not any(ran.rows):
            self._violate("results", f"at {reply.txid}: changed {counts} rows, want {ran.counts}")

    def _check_age(self, txid: int) -> None:
        at = self._delivery.event.get("at")
        if at is not None:
            self._check_moment(txid, at)
            return
        seen = self._outcome.seen.get(self._operation.database, Seen())
        staleness = self._operation.fields.get("max_staleness", 0.0)
        # The age is told by a clock that may have been set meanwhile.
        allowed = staleness + 2 * MOST_SKEW_SECONDS if staleness else 0.0
        floor = seen.at(self._delivery.begun_at - allowed)
        if txid < floor:
            self._violate("stale", f"saw {txid}, when {floor} had been seen before it began")

    def _check_moment(self, txid: int, at: int | str) -> None:
        if isinstance(at, int):
            if txid != at:
                self._violate("history", f"asked for {at}, got {txid}")
            return
        moment_ms = datetime.fromisoformat(at).timestamp() * 1000
        stamps = [state.timestamp_ms for state in self._states]
        is_right = stamps[txid] <= moment_ms and all(stamp > moment_ms - 1 for stamp in stamps[txid + 1 :])
        # What came after it began may have a time of before: clocks differ.
        is_late = any(state.made_at >= self._delivery.begun_at for state in self._states[txid + 1 :])
        if not (is_right or is_late):
            self._violate("history", f"asked for {at}, got {txid}, made at {stamps[txid]}")

    def _check_error(self, error: dict[str, Any]) -> None:
        code = error["code"]
        if code in UNEXPECTED:
            self._violate("bug", f"{code}: {error['message']}")
        if self._delivery.entries and not (code == "internal" or error.get("applied") == "unknown"):
            txids = [entry.txid for entry in self._delivery.entries]
            self._violate("refused yet applied", f"{code}, but it is in {txids}")
        if self._entries and self._denies_what_is_there(error):
            self._violate("refused yet applied", f"{code} {error['message']}, but it is in {self._entries[0].txid}")
        if code in ("sql_error", "constraint") and not self._could_fail():
            self._violate("false error", f"{code}: {error['message']}")
        if code == "not_found" and self._is_promised():
            self._violate("history", f"{error['message']}")

    def _denies_what_is_there(self, error: dict[str, Any]) -> bool:
        """Whether somebody was refused for what the state is, although another delivery of the request had been
        applied, and he was to be told what that one was."""
        first = self._entries[0]
        if self._delivery.ended_at - first.at > ID_MEMORY_SECONDS:
            return False
        if error["code"] == "conflict":  # if_txid; the transaction after that one is the request's own
            return "txid" in error and first.at <= self._delivery.ended_at
        is_about_state = error["code"] in ("sql_error", "constraint", "not_found", "read_only")
        return self._operation.has_id and is_about_state and first.at < self._delivery.begun_at

    def _could_fail(self) -> bool:
        """Whether some state that the delivery may have seen makes SQLite refuse its statements."""
        at = self._delivery.event.get("at")
        if isinstance(at, int):
            return at >= len(self._states) or model.fails(self._states[at].database, self._operation.statements)
        allowed = self._operation.fields.get("max_staleness", 0.0) + 2 * MOST_SKEW_SECONDS
        seen = self._outcome.seen.get(self._operation.database, Seen())
        oldest = 0 if at else seen.at(self._delivery.begun_at - allowed)
        meanwhile = [state for state in self._states[oldest:] if state.made_at <= self._delivery.ended_at]
        return any(model.fails(state.database, self._operation.statements) for state in meanwhile)

    def _is_promised(self) -> bool:
        at = self._delivery.event.get("at")
        if not isinstance(at, int):
            return at is None and len(self._states) > 1 and self._operation.database == "main"
        log = self._outcome.ledger.log(self._operation.database)
        return (
            log.promised_from(self._delivery.begun_at, self._outcome.retention_seconds)
            <= at
            <= log.newest_at(self._delivery.begun_at)
        )
