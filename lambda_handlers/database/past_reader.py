"""Requests on a past state of a database: read-only views, and dry runs."""

from __future__ import annotations

from lambda_handlers.database.errors import read_only
from lambda_handlers.database.local_copy import Copy
from lambda_handlers.database.parts import Parts
from lambda_handlers.database.request_runner import RequestRunner
from lambda_handlers.database.run import Run
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.shared.times import utc
from lambda_handlers.sql.session import WriteNeeded
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.replica import Gone
from lambda_handlers.wire import Reply


class PastReader:
    def __init__(self, parts: Parts, runner: RequestRunner) -> None:
        self._newest = parts.newest
        self._moments = parts.moments
        self._runner = runner

    def answer(self, run: Run, at: int | str) -> Reply:
        """Return the reply to a request on the state at a txid or an RFC 3339 time. Raises Gone or SldbError."""
        txid = self._moments.txid_at(at)
        is_newest = txid > 0 and txid == self._newest.replica.txid  # then that copy is warm
        copy = self._newest.copy if is_newest else self._moments.copy_at(txid, run.deadline, run.request.dry_run)
        try:
            reply = self._run(run, copy, txid)
        except Gone:
            self._moments.drop()
            if is_newest:
                self._newest.refresh(run.deadline)
            raise
        return replace(reply, time=utc(copy.replica.timestamp_ms)) if txid else reply

    def _run(self, run: Run, copy: Copy, txid: Txid) -> Reply:
        """Run on a past state. Only a dry run may write there: its writes are dropped with it."""
        try:
            return self._runner.run(run, copy, may_write=False)
        except WriteNeeded as need:
            run.check_may_write(need)
            if not run.request.dry_run:
                raise read_only(need, f"a view of transaction {txid}") from None
        return self._runner.run(run, copy, may_write=True)
