"""All mutations."""

from __future__ import annotations

from tests.mutants import age, commit, copies, requests

MUTANTS = (*commit.MUTANTS, *age.MUTANTS, *copies.MUTANTS, *requests.MUTANTS)
