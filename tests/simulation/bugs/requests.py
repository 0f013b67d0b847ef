"""Planted bugs of what happens to a request once."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

from lambda_handlers.database.applied_requests import AppliedRequests
from lambda_handlers.database.newest_state import NewestState
from lambda_handlers.sql.own import request_log
from tests.simulation.bugs.planting import Bug, Patch, add_to

BUGS: list[Bug] = []
bug = partial(add_to, BUGS)


@bug("requests are not recorded", 100)
def _() -> list[Patch]:
    return [patch.object(request_log, "record", lambda connection, request_id, times, entry: None)]


@bug("requests are looked up before the lock only", 100)
def _() -> list[Patch]:
    def find(self: AppliedRequests, session: Any, copy: Any, request_id: str) -> Any:
        return None if session.may_write else real(self, session, copy, request_id)

    real = AppliedRequests.find
    return [patch.object(AppliedRequests, "find", find)]


@bug("if_txid is not compared", 100)
def _() -> list[Patch]:
    return [patch.object(NewestState, "check_txid", lambda self, if_txid: None)]
