"""Planted bugs of interactive transactions."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.database.attached_databases import AttachedDatabases
from lambda_handlers.database.errors import changed_result
from lambda_handlers.database.transaction import commit as interactive_commit
from lambda_handlers.database.transaction.commit import Commit
from lambda_handlers.database.transaction.shown_results import run_again
from lambda_handlers.database.transaction.warm_sessions import WarmSession
from lambda_handlers.sql import pin
from lambda_handlers.wire.digest import DIGEST_BYTES, ResultDigest
from lambda_handlers.wire.pin import Pin
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.transactions import SEEDS

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("what a transaction was shown is not compared", 20, prefix=SEEDS)
def _() -> list[Patch]:
    def run_only(session: Any, statements: Any, where: str) -> None:
        for _ in run_again(session, statements):
            pass

    return [patch.object(interactive_commit, "check_shown", run_only)]


@bug("errors that a transaction was shown are not compared", 100, prefix=SEEDS)
def _() -> list[Patch]:
    def check_results(session: Any, statements: Any, where: str) -> None:
        for position, result in run_again(session, statements):
            shown = statements[position].digest.hex()
            if result.error is None and shown not in (failed, result.digest):
                raise changed_result(statements[position].sql, position, result, where)

    failed = "00" * DIGEST_BYTES
    return [
        patch.object(interactive_commit, "check_shown", check_results),
        patch.object(ResultDigest, "of_error", staticmethod(lambda error: failed)),
    ]


@bug("statements of a transaction share their chance", 20, prefix=SEEDS)
def _() -> list[Patch]:
    def seed(given: Pin, index: int) -> None:
        real(given, min(index, 0))

    real = pin.seed
    return [patch.object(pin, "seed", seed)]


@bug("attached databases stay as they were when a transaction is committed", 100, prefix=SEEDS)
def _() -> list[Patch]:
    def attempt(self: Commit, run: Any, transaction: Any, steps: Any) -> Any:
        def attached(find: Any, by: Any, staleness: float, views: Any, deadline: Any, moments: Any) -> Any:
            others = {name: txid for name, txid in transaction.attached.items() if name != transaction.database}
            return AttachedDatabases(find, by, staleness, views, deadline, others)

        with patch.object(interactive_commit, "AttachedDatabases", attached):
            return real(self, run, transaction, steps)

    real = Commit._attempt
    return [patch.object(Commit, "_attempt", attempt)]


@bug("a transaction attaches its own database as it was when it began", 100, prefix=SEEDS)
def _() -> list[Patch]:
    def attempt(self: Commit, run: Any, transaction: Any, steps: Any) -> Any:
        def attached(find: Any, by: Any, staleness: float, views: Any, deadline: Any, moments: Any) -> Any:
            return AttachedDatabases(find, by, staleness, {}, deadline, {name: transaction.base})

        name = transaction.database
        with patch.object(interactive_commit, "AttachedDatabases", attached):
            return real(self, run, transaction, steps)

    real = Commit._attempt
    return [patch.object(Commit, "_attempt", attempt)]


@bug("a token is committed as often as it comes", 20, prefix=SEEDS)
def _() -> list[Patch]:
    return [patch.object(AppliedRequests, "find_transaction", lambda self, session, copy, attempt: None)]


@bug("an open session stays when its copy moves on", 200, looks_from=95, prefix=SEEDS)
def _() -> list[Patch]:
    return [patch.object(WarmSession, "is_outdated", property(lambda self: False))]
