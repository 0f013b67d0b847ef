"""All mutations."""

from __future__ import annotations

from tests.mutants import age, commit, copies, locks, requests

MUTANTS = (*commit.MUTANTS, *age.MUTANTS, *copies.MUTANTS, *requests.MUTANTS, *locks.MUTANTS)
