"""The check of interactive transactions: strict serializability, for each database.

- A committed transaction showed its client, in all of its requests, what a serial execution shows at its place in the
  log; its pages are those of that execution (`serial`, `content`).
- A request of an open transaction showed what an execution on its base shows. The base is no older than any state that
  a client had seen when the transaction began, and stays (`open`, `stale`).
- A transaction that only read stands at its base (`lost write`, if it did more).
- A transaction is committed once, whatever token is sent again, and each commit gets the answer of the first
  (`applied twice`, `results`).
- A conflict names a statement that some state meanwhile shows differently (`false conflict`); a replay on the same base
  has none (`replay`).

Attached databases are serializable each on its own: their content is that of one of their transactions since the
request began that reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from lambda_handlers.wire import Reply
from lambda_handlers.wire.pin import Pin
from tests.simulation.checking import model, serial
from tests.simulation.checking.ledger import MOST_SKEW_SECONDS, Entry
from tests.simulation.checking.serial import Serial
from tests.simulation.checking.states import BEGINNING, State, faults_of, met_damage
from tests.simulation.histories.outcome import Delivery, Outcome, Seen
from tests.simulation.histories.shown import Known, Shown, learn, shown_in

_UNEXPECTED = frozenset({"internal", "corrupt", "too_large", "bad_request", "forbidden", "read_only"})
_OF_STATEMENTS = ("sql_error", "constraint")
LATE_SECONDS = 15.0  # what releasing a lock may take, whose calls EC2 turns away

States = Mapping[str, Sequence[State]]


def asked(delivery: Delivery) -> tuple[Shown, ...]:
    """Return the statements of a request, without their results."""
    return tuple(Shown(one["query"], tuple(one["params"]), None) for one in delivery.event.get("statements", ()))


def before(delivery: Delivery) -> tuple[Shown, ...]:
    """Return the statements before a request, with what was shown of them."""
    return delivery.known.statements if delivery.known else ()


def executions(
    outcome: Outcome,
    place: tuple[str, int],
    pin: Pin | None,
    states: States,
    statements: Sequence[Shown],
    when: tuple[float, float],
) -> Iterator[Serial]:
    """Yield an execution of the statements on the state of a database at a txid, for each content that the attached
    databases may have had at a time of these two or between them."""
    database, txid = place
    state = states.get(database, [BEGINNING])[txid].database
    schemas = serial.attached_by(statements)
    contents = [[state] if name == database else _contents(outcome, states, name, *when) for name in schemas.values()]
    for chosen in product(*contents):
        attached = dict(zip(schemas, chosen, strict=True))
        yield serial.run(state, attached, pin, statements)


def _contents(outcome: Outcome, states: States, name: str, since: float, until: float) -> list[bytes]:
    floor = outcome.seen.get(name, Seen()).at(since)
    found = [state.database for state in states.get(name, [BEGINNING])[floor:] if state.made_at <= until]
    return list(dict.fromkeys(found)) or [BEGINNING.database]


def made(
    outcome: Outcome,
    entry: Entry,
    states: States,
    is_content: Callable[[bytes], bool],
) -> Serial:
    """Return the execution of a committed transaction at its place in the log. `is_content`: whether a state is that of
    the log there. Adds to the violations."""
    delivery: Delivery = entry.by
    statements = (*before(delivery), *asked(delivery))
    when = delivery.begun_at, entry.at  # a commit reads what is attached anew
    place, pin = (delivery.operation.database, entry.txid - 1), delivery.known.pin if delivery.known else None
    found = list(executions(outcome, place, pin, states, statements, when))
    fitting = [one for one in found if one.shows(statements)]
    if not fitting:
        difference = _difference(statements, found[-1])
        outcome.history.violate("serial", f"{delivery} committed {entry.txid}, and was shown {difference}")
    return next((one for one in fitting if is_content(one.state)), (fitting or found)[-1])


def _difference(statements: Sequence[Shown], found: Serial) -> str:
    for one, outcome in zip(statements, found.outcomes, strict=True):
        if not serial.agrees(one.result, outcome):
            shown = one.result and (one.result.error or (one.result.rows, one.result.rowcount))
            return f"{shown} by {one.query[:60]}, want {outcome}"
    return "what no state of the attached databases gives"


class InTransaction:
    """The answer to one delivery of a request inside a transaction."""

    def __init__(self, outcome: Outcome, delivery: Delivery, states: States) -> None:
        self._outcome = outcome
        self._delivery = delivery
        self._states = states
        self._own = states.get(delivery.operation.database, [BEGINNING])
        same = [one for one in outcome.deliveries if one.operation is delivery.operation]
        self._same = same
        self._entries = sorted((entry for one in same for entry in one.entries), key=lambda entry: entry.txid)

    def check(self) -> None:
        self._check_once()
        reply = self._delivery.reply
        if reply is None:
            return
        self._check_time()
        if reply["statusCode"] == 200:
            self._check_answer(Reply.decode(reply["body"]), reply["body"])
        elif "error" in reply["body"]:
            self._check_error(reply["body"])

    def _violate(self, promise: str, details: str) -> None:
        self._outcome.history.violate(promise, f"{self._delivery}: {details}")

    def _check_once(self) -> None:
        for first, second in zip(self._entries, self._entries[1:], strict=False):
            if not self._was_forgotten(first, second.at):
                self._violate("applied twice", f"as {first.txid} and as {second.txid}")

    def _was_forgotten(self, entry: Entry, until: float) -> bool:
        """Return True if an action has brought back a state before a transaction."""
        entries = self._outcome.ledger.log(self._delivery.operation.database).entries
        return any(one.by.operation.action and entry.txid < one.txid and one.at < until for one in entries)

    def _check_time(self) -> None:
        delivery = self._delivery
        limit, took = delivery.operation.function_seconds, delivery.ended_at - delivery.begun_at
        frozen = delivery.container is not None and delivery.container.was_frozen_since(delivery.begun_at)
        if took > limit + LATE_SECONDS and not faults_of(self._outcome, delivery) and not frozen:
            self._violate("late", f"took {took:.1f} s, and had {limit:.1f}")

    def _check_answer(self, reply: Reply, body: Mapping[str, Any]) -> None:
        if reply.txid >= len(self._own):
            self._violate("results", f"tells of transaction {reply.txid}, which nobody has made")
            return
        mine = [entry for entry in self._entries if entry.at <= self._delivery.ended_at]
        is_over = (reply.transaction or {}).get("ended") == "commit"
        # An earlier token may be committed that had only read: it stands at its base.
        is_at_base = self._delivery.known is not None and self._delivery.known.base == reply.txid
        if is_over and mine and not is_at_base:
            self._check_committed(reply, body, mine)
        else:
            self._check_open(reply.txid, body, is_over=is_over)

    def _check_committed(self, reply: Reply, body: Mapping[str, Any], mine: list[Entry]) -> None:
        entry = next((one for one in mine if one.txid == reply.txid), None)
        if entry is None:
            self._violate("results", f"was told {reply.txid}, but is in {[one.txid for one in mine]}")
            return
        results = reply.results
        outcomes = self._own[reply.txid].shows[-len(results) :] if results else ()
        if len(results) != len(asked(entry.by)):
            self._violate("results", f"has {len(results)} results, and the commit {len(asked(entry.by))} statements")
        elif not all(map(serial.agrees, results, outcomes)):
            self._violate("results", f"at {reply.txid}: got {shown_in((), body)}, want {outcomes}")

    def _check_open(self, base: int, body: Mapping[str, Any], *, is_over: bool) -> None:
        """Check the results on the base; of a commit of a transaction that only read, too."""
        delivery = self._delivery
        if delivery.known and delivery.known.base != base:
            self._violate("open", f"stands on {base}, and stood on {delivery.known.base}")
            return
        self._check_age(base)
        statements = (*before(delivery), *shown_in(delivery.event.get("statements", ()), body))
        found = self._explained(base, statements, body)
        if found is not None and is_over and not self._is_same(found.state, base):
            self._violate("lost write", f"was acknowledged at its base {base}, and no transaction is its own")

    def _explained(self, base: int, statements: Sequence[Shown], body: Mapping[str, Any]) -> Serial | None:
        """Return an execution on the base that shows these results. Adds to the violations if there is none."""
        known = self._delivery.known or learn(None, self._delivery.event, body)
        found = list(self._executions(known, statements, base))
        fitting = next((one for one in found if one.shows(statements)), None)
        if fitting is None:
            self._violate("open", f"on {base}: was shown {_difference(statements, found[-1])}")
        return fitting

    def _executions(
        self, known: Known | None, statements: Sequence[Shown], at: int, *, is_commit: bool = False
    ) -> Iterator[Serial]:
        """Return the executions on a state. What is attached was read since the transaction began, by a commit anew."""
        delivery, pin = self._delivery, known.pin if known else None
        since = delivery.begun_at if is_commit else min(one.begun_at for one in self._same)
        place = delivery.operation.database, at
        return executions(self._outcome, place, pin, self._states, statements, (since, delivery.ended_at))

    def _is_same(self, state: bytes, base: int) -> bool:
        return model.content(state) == model.content(self._own[base].database)

    def _check_age(self, base: int) -> None:
        if self._delivery.known is None:
            floor = self._outcome.seen.get(self._delivery.operation.database, Seen()).at(self._delivery.begun_at)
            if base < floor:
                self._violate("stale", f"began on {base}, when {floor} had been seen before")

    def _check_error(self, body: Mapping[str, Any]) -> None:
        error, delivery = body["error"], self._delivery
        code = error["code"]
        if code in _UNEXPECTED and not (code == "corrupt" and met_damage(self._outcome, delivery)):
            self._violate("bug", f"{code}: {error['message']}")
        if delivery.entries and not (code == "internal" or error.get("applied") == "unknown"):
            self._violate("refused yet applied", f"{code}, but it is in {delivery.entries[0].txid}")
        if self._denies_what_is_there(error):
            self._violate("refused yet applied", f"{code} {error['message']}, but it is in {self._entries[0].txid}")
        if code in _OF_STATEMENTS:
            self._check_failed(body)
        if code == "conflict":
            self._check_conflict(error)
        if code == "not_found" and self._is_promised():
            self._violate("history", error["message"])

    def _denies_what_is_there(self, error: Mapping[str, Any]) -> bool:
        """Return True if the same request had been applied before, and this delivery should have got its answer."""
        about_state = error["code"] in ("conflict", "not_found", "read_only", *_OF_STATEMENTS)
        earlier = [one for one in self._entries if one.at < self._delivery.begun_at]
        return about_state and any(
            entry.by.event == self._delivery.event and not self._was_forgotten(entry, self._delivery.ended_at)
            for entry in earlier
        )

    def _check_failed(self, body: Mapping[str, Any]) -> None:
        """Check the error of a statement that stopped its request."""
        delivery = self._delivery
        if "statement" not in body["error"]:
            self._violate("bug", f"{body['error']['code']} of no statement: {body['error']['message']}")
            return
        if delivery.known is None and "transaction" not in body:
            return
        statements = (*before(delivery), *shown_in(delivery.event.get("statements", ()), body))
        known = delivery.known or learn(None, delivery.event, body)
        places = [(known.base, False)] if known else []
        if delivery.event["transaction"].get("end") == "commit":
            places += [(at, True) for at, state in enumerate(self._own) if state.made_at <= delivery.ended_at]
        if not any(
            one.shows(statements)
            for at, is_commit in places
            for one in self._executions(known, statements, at, is_commit=is_commit)
        ):
            self._violate("false error", f"{body['error']['code']}: {body['error']['message']}")

    def _check_conflict(self, error: Mapping[str, Any]) -> None:
        delivery = self._delivery
        if error.get("field") == "transaction.token":
            if not self._entries:
                self._violate("false conflict", f"{error['message']}, and it was not")
            return
        if "changed" not in error or delivery.known is None:
            return  # lost races
        if delivery.event["transaction"].get("end") != "commit":
            self._violate("replay", error["message"])
            return
        known = delivery.known
        meanwhile = [
            at for at, state in enumerate(self._own) if at >= known.base and state.made_at <= delivery.ended_at
        ]
        statements = known.statements
        hidden = any(one.result is None for one in statements)  # its digest counts, and is not known here
        if not hidden and all(
            one.shows(statements)
            for at in reversed(meanwhile)
            for one in self._executions(known, statements, at, is_commit=True)
        ):
            self._violate("false conflict", error["message"])

    def _is_promised(self) -> bool:
        """Return True if retention keeps the base, and all that is attached exists."""
        known, begun_at = self._delivery.known, self._delivery.begun_at
        if known is None or serial.attached_by((*known.statements, *asked(self._delivery))):
            return False
        log = self._outcome.ledger.log(self._delivery.operation.database)
        promised_from = log.promised_from(begun_at + 2 * MOST_SKEW_SECONDS, self._outcome.retention_seconds)
        return promised_from <= known.base and not any(state.database == b"" for state in self._own[known.base :])
