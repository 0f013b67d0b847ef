"""What a delivery without faults leaves behind in a container that lives on.

- Its lock is released, and not left to its age (`lock`), also where the release comes after the reply.
- A fold has its work item, so that a pass takes over from there (`work`).
"""

from __future__ import annotations

from lambda_handlers.storage.log.keys import work_key
from tests.simulation.checking.states import faults_of
from tests.simulation.histories.outcome import Delivery, Outcome


def check(outcome: Outcome) -> None:
    """Add to the history's violations."""
    ledger = outcome.ledger
    for lock_id, by in ledger.takers.items():
        if lock_id not in ledger.let_go and _was_undisturbed(outcome, by):
            outcome.history.violate("lock", f"{by} has left lock {lock_id}")
    for database, log in ledger.logs.items():
        for txid, by in log.folds:
            if (database, txid) not in ledger.work_items.ever and _was_undisturbed(outcome, by):
                outcome.history.violate("work", f"{by} put a fold, and not {work_key(database, txid)}")


def _was_undisturbed(outcome: Outcome, by: Delivery) -> bool:
    container = by.container
    lives_on = container is not None and not container.is_dead and not container.was_frozen_since(by.begun_at)
    return lives_on and not faults_of(outcome, by)
