"""Planted bugs of undo and notes."""

from __future__ import annotations

from functools import partial
from unittest.mock import patch

from lambda_handlers.actions import replace_content
from lambda_handlers.actions.noted_state import Noted
from lambda_handlers.actions.past import undo as undo_action
from lambda_handlers.sql.own import notes
from lambda_handlers.storage.log import steps
from lambda_handlers.storage.log.kinds import Kind
from tests.simulation.bugs.planting import Bug, Patch, add_to
from tests.simulation.histories.steps import SEEDS as STEP_SEEDS

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("an undo after an undo takes that back", 20, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    def undo(read: steps.Read, newest: int, count: int) -> steps.Plan:
        with patch.object(steps, "is_move", lambda header: False):
            return real(read, newest, count)

    real = steps.undo
    return [patch.dict(undo_action._PLANS, {Kind.UNDO: undo})]


@bug("an undo takes back what was written meanwhile", 100, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    return [patch.object(undo_action, "check_newest", lambda current, base: None)]


@bug("a note has the number of the transaction before", 20, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    real = notes.record
    return [patch.object(notes, "record", lambda connection, txid, note: real(connection, txid - 1, note))]


@bug("a restore forgets its note", 20, prefix=STEP_SEEDS)
def _() -> list[Patch]:
    return [patch.object(replace_content, "with_note", lambda context, past, note, txid: Noted({}, past.page_count))]
