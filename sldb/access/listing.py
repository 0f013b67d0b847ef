"""The callers of a stack in the list of `sldb token list`, and the search by a name or an id. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_handlers.access.callers import BadDocument, Document, Entry
from lambda_handlers.shared.did_you_mean import closest, question
from lambda_handlers.wire import SldbError

KINDS = {"token": "token", "key": "key", "iam": "principal", "jwt": "subject"}  # by the kind of an identity


@dataclass(frozen=True, slots=True)
class Listed:
    identity: str
    entry: Entry | None  # None: it is damaged
    problem: str = ""  # of a damaged one

    @property
    def kind(self) -> str:
        return KINDS.get(self.identity.partition(":")[0], "unknown")

    @property
    def id(self) -> str:
        """The id of a token or API key, an ARN, or the subject of a JWT."""
        return self.identity.partition(":")[2]

    @property
    def name(self) -> str:
        return self.entry.name if self.entry is not None else self.id

    def state(self, now_ms: int) -> str:
        """Return active, expired, revoked or damaged."""
        return "damaged" if self.entry is None else self.entry.refusal(now_ms) or "active"


def listed(document: Document) -> list[Listed]:
    """Return all callers, the oldest first, damaged ones last."""
    return sorted(_each(document), key=lambda one: (one.entry is None, one.entry.created_ms if one.entry else 0))


def _each(document: Document) -> Iterator[Listed]:
    for identity in document.callers:
        try:
            yield Listed(identity, document.find(identity))
        except BadDocument as error:
            yield Listed(identity, None, str(error))


def find(document: Document, name_or_id: str) -> Listed:
    """Return the caller of a name, an id or an identity. Revoked ones give way to others with the same name. Raises
    `not_found`, and `bad_request` if it is the name of one caller and the id of another."""
    known = listed(document)
    named = [one for one in known if one.entry is not None and one.name == name_or_id]
    live = [one for one in named if one.entry is not None and one.entry.revoked_ms is None]
    by_id = [one for one in known if name_or_id in (one.id, one.identity)]
    meant = list({one.identity: one for one in (*live, *by_id)}.values()) or named[-1:]
    if len(meant) > 1:
        names = " and ".join(one.identity for one in meant)
        raise SldbError("bad_request", f"{name_or_id} means {names}", "give one of these", applied="no")
    if meant:
        return meant[0]
    active = [one.name for one in known if one.entry is not None and one.entry.revoked_ms is None]
    hint = f"{question(closest(name_or_id, active))} `sldb token list` shows all".lstrip()
    raise SldbError("not_found", f"there is no caller {name_or_id}", hint, applied="no")
