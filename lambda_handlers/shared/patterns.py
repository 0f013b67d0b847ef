"""Regular expressions that few requests need, compiled when they are first used: each takes a cold start 0.1 ms or
more. What every request needs is compiled with its module, by `re`: Lambda starts a container with a whole processor.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

__all__ = ["pattern"]


class _Pattern:
    """A pattern of `re`, to its users; each of its methods is looked up once."""

    def __init__(self, text: str, flags: int = 0) -> None:
        self.pattern = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:

    def pattern(text: str, flags: int = 0) -> re.Pattern[str]: ...

else:
    pattern = _Pattern
