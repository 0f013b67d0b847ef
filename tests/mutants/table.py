"""The table of mutations."""

from __future__ import annotations

from tests.mutants import (
    age,
    callers,
    cancel,
    commit,
    copies,
    groups,
    history,
    interactive,
    locks,
    pages,
    readers,
    requests,
    sql,
    stores,
    times,
    tokens,
)
from tests.mutants.api import fronts, http, queues
from tests.mutants.past import listings
from tests.mutants.reads import walks
from tests.mutants.writes import after_reply, doubts, lock_taking, trust

MUTANTS = (
    *commit.MUTANTS,
    *age.MUTANTS,
    *doubts.MUTANTS,
    *trust.MUTANTS,
    *lock_taking.MUTANTS,
    *copies.MUTANTS,
    *pages.MUTANTS,
    *walks.MUTANTS,
    *requests.MUTANTS,
    *queues.MUTANTS,
    *locks.MUTANTS,
    *interactive.MUTANTS,
    *sql.MUTANTS,
    *groups.MUTANTS,
    *history.MUTANTS,
    *listings.MUTANTS,
    *stores.MUTANTS,
    *times.MUTANTS,
    *cancel.MUTANTS,
    *tokens.MUTANTS,
    *callers.MUTANTS,
    *fronts.MUTANTS,
    *readers.MUTANTS,
    *after_reply.MUTANTS,
    *http.MUTANTS,
)
