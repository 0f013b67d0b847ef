"""The report of a maintenance pass over one database."""

from __future__ import annotations

from typing import Any

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.upkeep.compaction import Work


@dataclass(frozen=True, slots=True)
class Report:
    """The result for one database, or the reason why there is none."""

    database: str
    work: Work | None = None
    deleted: int = 0
    error: str = ""
    ms: float = 0.0

    def encode(self) -> dict[str, Any]:
        if self.work is None:
            return {"database": self.database, "error": self.error}
        return {
            "database": self.database,
            "txid": self.work.txid,
            "merged": self.work.merged,
            "snapshot": self.work.snapshot,
            "page_maps": self.work.mapped,
            "bytes_written": self.work.bytes_written,
            "deleted": self.deleted,
            "log_length": self.work.log_length,
            "ms": self.ms,
        }
