"""Ctrl-C during the request that applies an import. Before that request, nothing is applied and nothing is lost."""

from __future__ import annotations

from sldb.cancelling import TooLate


class ImportApplied(TooLate):
    """The import was over, and is applied."""


class ImportInDoubt(KeyboardInterrupt):
    """The end of the wait for the import, with an unknown outcome."""

    def __init__(self, request_id: str) -> None:
        super().__init__()
        self.request_id = request_id
