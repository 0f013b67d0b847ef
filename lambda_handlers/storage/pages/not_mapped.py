"""The error for a file that a reader has no time to map (stored_page_map)."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from lambda_handlers.storage.pages.head import HeadFile

TYPICAL_BYTES_PER_SECOND = 64 << 20  # in a function of 1 GB
MAX_WAIT_SECONDS = 900.0  # until the scheduled function looks at a database (maintenance)


class NotMapped(SldbError):
    """A file has no trusted map, and there is no time to read all of it."""

    def __init__(self, file: HeadFile, key: str) -> None:
        minutes = ceil((MAX_WAIT_SECONDS + file.size / TYPICAL_BYTES_PER_SECOND) / 60)
        super().__init__(
            "store_error",
            f"{key} has no page map (any more), and reading all of its {file.size} bytes, which alone verifies them, "
            "takes longer than the time left",
            f"the scheduled function is making the map: try again in about {minutes} minutes; or give the request more "
            "time (timeout)",
            key=key,
            applied="no",
        )
        self.name = file.name
