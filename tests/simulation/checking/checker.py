"""The checker: verifies that a history keeps the promises. Strict serializability, by replay.

The order of writes is the log's, and it is total. So the statements of each transaction are run again, in that order,
in plain SQLite (`model`), and every answer to a client is compared with the result:

- Every transaction's pages make the model's database, and SQLite finds it intact (`content`, `soundness`).
- An acknowledged write is there once, with these results; a refused one never is; one without an answer is there at
  most once (`lost write`, `results`, `refused yet applied`, `applied twice`).
- A read returned the model's result at its txid (`results`), and no older state than any client had seen when it began,
  unless it allowed that, and then not older than it allowed (`stale`).
- One request_id has one effect and one result, regardless of the number of deliveries.
- No client waits longer than its request's time, if nothing went wrong with it (`late`).
- A failure describes some state that existed meanwhile (`false error`), and nothing is a bug (`bug`).
- After a clock was wrong for one transaction, the others have their own times, and a moment finds its state (`clock`,
  `history`).
- Compacted files have exactly the content of their transactions (`compaction`).
- Interactive transactions are serializable, each at its place in the log (interactive).
- At the end a new container reads every database in its newest state, and at some transactions of the retention period
  (`history`).
- An undo or redo goes along the writes as an editor does, and each note is with its own transaction (steps).
- Copies, restores and renames report only existing things; a copy appears complete, and over nothing (`copy`).
- Page maps, atlases and heads are right about their files (`at rest`, see rest).
- Locks and work items are not left by those who can do something about them (`lock`, `work`, see left).
- Unverified data is not believed: with damaged answers a request may fail with `corrupt` or `store_error`, and all of
  the above holds.

Gaps, second creates and deletions of needed files are detected when they happen (ledger).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import apsw

from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.store_clock import ROUNDING_SECONDS, SKEW_SECONDS
from lambda_handlers.wire import Reply
from tests.simulation.checking import interactive, left, model, rest, steps
from tests.simulation.checking.interactive import InTransaction
from tests.simulation.checking.ledger import MOST_SKEW_SECONDS, Copy, Entry
from tests.simulation.checking.model import EMPTY, Ran
from tests.simulation.checking.pages import Image
from tests.simulation.checking.states import BEGINNING, State, faults_of, met_damage
from tests.simulation.histories.outcome import Delivery, Outcome, Reading, Seen
from tests.simulation.histories.plan import Operation
from tests.simulation.world.faults import Fault

ID_MEMORY_SECONDS = 3600 - 2 * MOST_SKEW_SECONDS
LATE_SECONDS = 15.0  # what releasing a lock may take, whose calls EC2 turns away
MOST_AHEAD_SECONDS = SKEW_SECONDS + ROUNDING_SECONDS + 2 * MOST_SKEW_SECONDS
UNEXPECTED = frozenset({"internal", "corrupt", "too_large", "bad_request", "forbidden", "read_only"})


def check(outcome: Outcome) -> None:
    """Add to the history's violations. A malformed log is not checked further."""
    if outcome.history.violations:
        return
    replay = Replay(outcome)
    for event in outcome.ledger.events:
        if isinstance(event, Copy):
            replay.copy(event)
        else:
            replay.follow(*event)
    rest.check(outcome)
    left.check(outcome)
    for reading in outcome.readings:
        replay.check_reading(reading)
    for delivery in outcome.deliveries:
        kind = InTransaction if delivery.operation.kind == "transaction" else Told
        kind(outcome, delivery, replay.states).check()


class Replay:
    """The states of each database, by txid, and the expected content of its files."""

    def __init__(self, outcome: Outcome) -> None:
        self.states: dict[str, list[State]] = {}
        self._outcome = outcome
        self._images: dict[str, Image] = {}
        logs = outcome.ledger.logs.items()
        self._compacted = {name: sorted(log.compacted, key=_newest_last, reverse=True) for name, log in logs}

    def follow(self, database: str, entry: Entry) -> None:
        """Follow one more transaction."""
        states = self.states.setdefault(database, [BEGINNING])
        image = self._images.setdefault(database, Image())
        header = image.apply(entry.body, f"{database} {entry.txid}")
        what, file = f"transaction {entry.txid} of {database}", image.file()
        if entry.is_announcement:
            made = State(states[-1].database, None, 0, entry.at)
        elif entry.by.operation.action:
            made = self._made_by_action(database, entry, header, file)
        else:
            made = self._made(database, states, entry, file)
        self._check_stamp(database, entry, header)
        if problem := steps.note_problem(entry):
            self._violate("notes", f"{what}: {problem}")
        states.append(replace(made, timestamp_ms=header.timestamp_ms))
        self._compare(what, file, made.database)
        self._compare_compacted(database, entry.txid, image)

    def _check_stamp(self, database: str, entry: Entry, header: Header) -> None:
        """Check that a recorded request does not continue the time of a clock that was ahead; unrecorded ones may."""
        operation, wrong = entry.by.operation, self._outcome.plan.wrong_clock
        if operation.action or operation.what == "vacuum" or entry.is_announcement:
            return
        if wrong is not None and (operation.number == wrong.operation or met_damage(self._outcome, entry.by)):
            return
        if header.timestamp_ms / 1000 > entry.at + MOST_AHEAD_SECONDS:
            self._violate(
                "clock", f"{entry.by} made transaction {entry.txid} of {database}, stamped {header.timestamp_ms}"
            )

    def copy(self, copy: Copy) -> None:
        """Follow the appearance of a copy."""
        if not copy.source:  # what was there is not, and never was, to be read
            self.states[copy.database] = [BEGINNING] * (copy.txid + 1)
            return
        if copy.database in self.states:
            self._violate("copy", f"{copy.by} copied {copy.source} over {copy.database}")
        states = self.states[copy.database] = self.states[copy.source][: copy.txid + 1]
        image = self._images[copy.database] = Image()
        for entry in self._outcome.ledger.log(copy.database).entries[: copy.txid]:
            if not entry.body:  # of a copy that was given up before it could be read
                continue
            image.apply(entry.body, f"{copy.database} {entry.txid}")
            self._compare_compacted(copy.database, entry.txid, image)
        what = f"{copy.database}, copied from {copy.source} at {copy.txid},"
        self._compare(what, image.file(), states[-1].database)
        wanted = copy.by.event["arguments"].get("at")
        if isinstance(wanted, int) and wanted != copy.txid:
            self._violate("copy", f"{what} was to be copied at {wanted}")

    def check_reading(self, reading: Reading) -> None:
        """Check the final reading by a container without faults and without a cache."""
        log, states = self._outcome.ledger.log(reading.database), self.states.get(reading.database, [BEGINNING])
        what = f"{reading.database} at {reading.at or 'the end'}"
        if reading.problem:
            self._violate("history", f"{what} cannot be read: {reading.problem}")
        elif reading.txid != (reading.at or log.newest):
            self._violate("history", f"{what} is read at {reading.txid}, the newest is {log.newest}")
        else:
            self._compare(f"{what}, read by a new container,", reading.file, states[reading.txid].database)

    def _made(self, database: str, states: list[State], entry: Entry, file: bytes) -> State:
        """Return the state that the statements of a request make."""
        if entry.by.operation.kind == "transaction":
            return self._made_by_transaction(entry, file)
        operation: Operation = entry.by.operation
        if entry.by.event.get("at") is not None or operation.fields.get("dry_run"):
            self._violate("wrote", f"{entry.by} may not write, and made transaction {entry.txid}")
        self._check_if_txid(database, entry, entry.by.event.get("if_txid"))
        try:
            ran = model.run(states[-1].database, operation.statements)
        except apsw.Error as error:
            self._violate("content", f"{entry.by} made transaction {entry.txid}, which SQLite refuses: {error}")
            return State(states[-1].database, None, 0, entry.at)
        return State(ran.state, ran, 0, entry.at)

    def _made_by_transaction(self, entry: Entry, file: bytes) -> State:
        def is_content(state: bytes) -> bool:
            return model.content(state) == content

        content = model.content(file)
        found = interactive.made(self._outcome, entry, self.states, is_content)
        return State(found.state, None, 0, entry.at, found.outcomes)

    def _made_by_action(self, database: str, entry: Entry, header: Header, file: bytes) -> State:
        """Return the actual state among those that the action may produce; any of them if it is none of them."""
        arguments = entry.by.event["arguments"]
        self._check_if_txid(database, entry, arguments.get("if_txid"))
        candidates = self._brings(database, entry, is_note=header.commit > 0)
        try:
            content = model.content(file)
        except apsw.Error:
            return State(candidates[-1], None, 0, entry.at)
        found = next((state for state in candidates if model.content(state) == content), candidates[-1])
        return State(found, None, 0, entry.at)

    def _brings(self, database: str, entry: Entry, is_note: bool) -> list[bytes]:
        """Return the states that an action may produce. `is_note`: a rename does not empty its database yet."""
        operation, at = entry.by.operation, entry.by.event["arguments"].get("at")
        source = self.states[operation.database]
        if operation.action == "drop_database":
            return [EMPTY]
        if operation.action in steps.MOVES:
            restored = steps.restored_by(self._outcome.ledger.log(database).entries, entry)
            if restored is None:
                self._violate("steps", f"{entry.by} made transaction {entry.txid}, and there was no such step")
            return [source[restored or 0].database]
        if operation.action == "rename_database" and database == operation.database:
            if is_note:
                return [source[-1].database]
            self._check_renamed(entry, operation.fields["to"], source[-1])
            return [EMPTY]
        return [source[at].database] if isinstance(at, int) else [state.database for state in source]

    def _check_renamed(self, entry: Entry, target: str, last: State) -> None:
        """Check that all of it is under the new name before the old name goes."""
        content = model.content(last.database)
        if not any(model.content(state.database) == content for state in reversed(self.states.get(target, []))):
            self._violate("copy", f"{entry.by} dropped what is not in {target}")

    def _check_if_txid(self, database: str, entry: Entry, wanted: int | None) -> None:
        """Check `if_txid`. An announcement counts as the transaction before it."""
        if wanted is None:
            return
        between = self._outcome.ledger.log(database).entries[wanted : entry.txid - 1]
        if entry.txid <= wanted or not all(one.is_announcement for one in between):
            self._violate("if_txid", f"{entry.by} wrote on {entry.txid - 1}, wanted {wanted}")

    def _compare(self, what: str, image: bytes, wanted: bytes) -> None:
        try:
            problems = model.is_sound(image)
            is_same = model.content(image) == model.content(wanted)
        except apsw.Error as error:
            problems, is_same = [str(error)], True
        if problems:
            self._violate("soundness", f"{what}: {problems[:3]}")
        if not is_same:
            self._violate("content", f"{what} is not what it should be")

    def _compare_compacted(self, database: str, txid: int, image: Image) -> None:
        compacted = self._compacted[database]
        while compacted and compacted[-1][0].max_txid <= txid:
            name, body = compacted.pop()
            if name.max_txid == txid and (problem := image.differs(body, name)):
                self._violate("compaction", f"{name.key(database)}: {problem}")

    def _violate(self, promise: str, details: str) -> None:
        self._outcome.history.violate(promise, details)


def _is_note(entry: Entry) -> bool:
    """Return True if a transaction is the note that a rename writes before it copies."""
    return entry.by.operation.action == "rename_database" and Header.decode(entry.body, "").commit > 0


def _newest_last(file: tuple[LtxName, bytes]) -> int:
    return file[0].max_txid


class Told:
    """The answer to one delivery."""

    def __init__(self, outcome: Outcome, delivery: Delivery, by_database: Mapping[str, list[State]]) -> None:
        self._outcome = outcome
        self._delivery = delivery
        self._operation = delivery.operation
        self._by_database = by_database
        self._states = by_database.get(delivery.operation.database, [BEGINNING])
        same = [one for one in outcome.deliveries if one.operation is self._operation]
        made = (entry for one in same for entry in one.entries)  # without an id, there are only Lambda's repetitions
        self._entries = sorted(made, key=lambda entry: entry.txid)

    def check(self) -> None:
        self._check_once()
        reply = self._delivery.reply
        if reply is None:
            return
        self._check_time()
        if reply["statusCode"] == 200 and self._operation.action:
            self._check_action(reply["body"])
        elif reply["statusCode"] == 200 and not self._operation.by_queue:
            self._check_result(Reply.decode(reply["body"]))
        elif reply["statusCode"] != 204 and "error" in reply["body"]:
            self._check_error(reply["body"]["error"])

    def _violate(self, promise: str, details: str) -> None:
        self._outcome.history.violate(promise, f"{self._delivery} {self._operation.what}: {details}")

    def _check_once(self) -> None:
        """Check for a single effect. VACUUM has no id: twice does no harm. An action recognises its earlier effect,
        unless other transactions came in between."""
        if self._operation.what == "vacuum" or self._operation.action:
            return
        for first, second in pairwise(self._entries):
            is_forgotten = self._was_forgotten(first, second.at) or self._is_undated(first, second.at)
            if second.at - first.at < ID_MEMORY_SECONDS and not is_forgotten:
                self._violate("applied twice", f"as {first.txid} and as {second.txid}")

    def _is_undated(self, entry: Entry, until: float) -> bool:
        """Return True if a transaction was made by a slow clock, after one so old that its time does not correct that:
        the id is then as old as that one (docs/reliability.md)."""
        wrong = self._outcome.plan.wrong_clock
        if wrong is None or wrong.seconds >= 0 or entry.by.operation.number != wrong.operation or entry.txid < 2:
            return False
        before = self._outcome.ledger.log(self._operation.database).entries[entry.txid - 2]
        return until - before.at >= ID_MEMORY_SECONDS - MOST_AHEAD_SECONDS

    def _was_forgotten(self, entry: Entry, until: float) -> bool:
        """Return True if the database went back to a state before a transaction, or began anew."""
        entries = self._outcome.ledger.log(self._operation.database).entries
        later = [one for one in entries if entry.txid < one.txid and one.at < until and not one.is_announcement]
        return any(one.by.operation.action and not _is_note(one) for one in later)

    def _check_time(self) -> None:
        delivery, operation = self._delivery, self._operation
        limit = operation.function_seconds
        if not operation.by_queue:  # the time of a message itself begins under the lock
            limit = min(limit, operation.fields.get("timeout", limit))
        took = delivery.ended_at - delivery.begun_at
        if took <= limit + LATE_SECONDS:
            return
        if not self._own_faults() and not delivery.container.was_frozen_since(delivery.begun_at):
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

    def _check_action(self, body: dict[str, Any]) -> None:
        """Check that everything that its reply reports exists."""
        match self._operation.action:
            case "restore" | "undo" | "redo":
                self._want_same(self._states, body["txid"], self._states, body["restored"])
            case "drop_database":
                self._want_same(self._states, body["txid"], [BEGINNING], 0)
            case "branch" if not self._was_dropped_meanwhile(body["as"], body["txid"]):
                self._want_same(self._of(body["as"]), body["txid"], self._states, body["at"])
            case "rename_database":
                self._want_same(self._of(body["to"]), body["txid"], self._states, body["at"])
                self._want_same(self._states, body["dropped_by"], [BEGINNING], 0)
        is_of_now = self._operation.action == "branch" and "at" not in self._delivery.event["arguments"]
        if is_of_now and not self._was_begun_before():
            self._check_age(body["at"])

    def _was_dropped_meanwhile(self, copy: str, txid: int) -> bool:
        """Return True if another client dropped the copy before it was complete, and while the branch ran: the drop
        comes after the branch then, whose state no client could read between the two."""
        entry = self._outcome.ledger.log(copy).entries[txid - 1 : txid]
        return any(not one.body and self._delivery.begun_at <= one.at <= self._delivery.ended_at for one in entry)

    def _was_begun_before(self) -> bool:
        """Return True if the name was that of a copy already: the same branch again finds the earlier result."""
        target = self._outcome.ledger.log(self._operation.fields["as"])
        return target.begins_at > 0 and any(
            isinstance(event, Copy) and event.database == self._operation.fields["as"]
            for event in self._outcome.ledger.events
        )

    def _of(self, database: str) -> list[State]:
        return self._by_database.get(database, [BEGINNING])

    def _want_same(self, there: list[State], at: int, wanted: list[State], wanted_at: int) -> None:
        if at >= len(there) or wanted_at >= len(wanted):
            self._violate(
                "results", f"tells of {at} and {wanted_at}, of which there are {len(there) - 1}, {len(wanted) - 1}"
            )
        elif model.content(there[at].database) != model.content(wanted[wanted_at].database):
            self._violate("results", f"says that {at} is as {wanted_at}, and it is not")

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
        # What came after it began may have a time of before, or none that it saw: clocks differ.
        later = [state for state in self._states[txid + 1 :] if state.made_at < self._delivery.begun_at]
        is_right = self._states[txid].timestamp_ms <= moment_ms and all(
            state.timestamp_ms > moment_ms - 1 for state in later
        )
        if not (is_right or self._was_there_then(txid, later, moment_ms / 1000)):
            self._violate("history", f"asked for {at}, got {txid}, stamped {self._states[txid].timestamp_ms}")

    def _was_there_then(self, txid: int, later: list[State], moment: float) -> bool:
        """Return True if the store had the transaction by a moment, and no later one a while before it."""
        return (
            self._outcome.plan.wrong_clock is not None
            and self._states[txid].made_at <= moment + MOST_AHEAD_SECONDS
            and all(state.made_at > moment - MOST_AHEAD_SECONDS for state in later)
        )

    def _check_error(self, error: dict[str, Any]) -> None:
        code = error["code"]
        if code in UNEXPECTED and not (code == "corrupt" and self._met_damage()):
            self._violate("bug", f"{code}: {error['message']}")
        txids = [entry.txid for entry in self._delivery.entries if not _is_note(entry)]
        if txids and not (code == "internal" or error.get("applied") == "unknown"):
            self._violate("refused yet applied", f"{code}, but it is in {txids}")
        if self._entries and self._denies_what_is_there(error):
            self._violate("refused yet applied", f"{code} {error['message']}, but it is in {self._entries[0].txid}")
        if self._operation.action:
            return
        if code in ("sql_error", "constraint") and not self._could_fail():
            self._violate("false error", f"{code}: {error['message']}")
        if code == "not_found" and self._is_promised():
            self._violate("history", f"{error['message']}")

    def _met_damage(self) -> bool:
        return met_damage(self._outcome, self._delivery)

    def _own_faults(self) -> list[Fault]:
        return faults_of(self._outcome, self._delivery)

    def _denies_what_is_there(self, error: dict[str, Any]) -> bool:
        """Return True if a client was refused because of the state, although another delivery of the request had been
        applied, and the client should have got that one's result."""
        first = self._entries[0]
        if self._delivery.ended_at - first.at > ID_MEMORY_SECONDS or self._operation.action:
            return False
        if self._was_forgotten(first, self._delivery.ended_at) or self._is_undated(first, self._delivery.ended_at):
            return False
        if error["code"] == "conflict":  # if_txid; the transaction after that one is the request's own
            return "txid" in error and first.at <= self._delivery.ended_at
        is_about_state = error["code"] in ("sql_error", "constraint", "not_found", "read_only")
        return self._operation.has_id and is_about_state and first.at < self._delivery.begun_at

    def _could_fail(self) -> bool:
        """Return True if some state that the delivery may have seen makes SQLite refuse its statements."""
        at = self._delivery.event.get("at")
        if isinstance(at, int):
            return at >= len(self._states) or model.fails(self._states[at].database, self._operation.statements)
        return any(model.fails(state.database, self._operation.statements) for state in self._meanwhile())

    def _is_promised(self) -> bool:
        at, begun_at = self._delivery.event.get("at"), self._delivery.begun_at
        log = self._outcome.ledger.log(self._operation.database)
        if isinstance(at, int):
            promised_from = log.promised_from(begun_at, self._outcome.retention_seconds)
            return promised_from <= at <= log.newest_at(begun_at) and self._states[at].database != EMPTY
        was_there = bool(log.newest_at(begun_at))
        return at is None and was_there and not any(state.database == EMPTY for state in self._meanwhile())

    def _meanwhile(self) -> list[State]:
        """Return the states that the delivery may have seen."""
        allowed = self._operation.fields.get("max_staleness", 0.0) + 2 * MOST_SKEW_SECONDS
        seen = self._outcome.seen.get(self._operation.database, Seen())
        oldest = 0 if self._delivery.event.get("at") else seen.at(self._delivery.begun_at - allowed)
        return [state for state in self._states[oldest:] if state.made_at <= self._delivery.ended_at]
