"""A branch: another database that begins with the content of this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sldb.actions import as_of
from sldb.client import Client
from sldb.report import count, size
from sldb.write_outcome import NOT_CHANGED


@dataclass(frozen=True, slots=True)
class Branch:
    """The reply of the action `branch`, and its sentences."""

    reply: Mapping[str, Any]

    @classmethod
    def create(cls, client: Client, name: str, at: int | str | None) -> Branch:
        """Copy the client's database as it was at a moment (None: now) to the name. Raises SldbError."""
        return cls(client.act("branch", **{"as": name, "at": at}))

    @property
    def is_new(self) -> bool:
        """False if the same branch was there already."""
        return bool(self.reply["created"])

    @property
    def outcome(self) -> str:
        source = as_of.label(self.reply["at"], self._time)
        subject = f"{self.reply['as']} is {self.reply['database']} as of {source}"
        if not self.is_new:
            return f"{subject}, already: {NOT_CHANGED}"
        return f"{subject} · {count(self.reply['files'], 'file')}, {size(self.reply['bytes'])}"

    @property
    def warnings(self) -> list[str]:
        return as_of.warnings(self.reply["at"], self._time)

    @property
    def _time(self) -> str | None:
        return self.reply.get("time")  # an older function does not return it
