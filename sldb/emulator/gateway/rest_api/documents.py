"""The state of the REST control plane: JSON documents, by region. Used under moto's lock.

    region   {"apis": …, "keys": …, "plans": …, "planKeys": {plan: {key: …}}, "account": …}, each by id
    api      its description; in "_resources", "_responses", "_deployments", "_stages" its parts

Members with an underscore in front are not part of an answer.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError

Document: TypeAlias = dict[str, Any]
_ID_CHARACTERS = string.ascii_lowercase + string.digits
_DEFAULT_PAGE, _MAX_PAGE = 25, 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: its region's documents, and its parameters by their place."""

    region: Document
    ids: Mapping[str, str]  # of the path
    body: Document
    query: Mapping[str, str]

    def api(self) -> Document:
        return found(self.region["apis"], self.ids["api"], "Invalid API identifier specified {}")

    def resource(self) -> Document:
        resources = self.api()["_resources"]
        return found(resources, self.ids["resource"], "Invalid Resource identifier specified")

    def method(self) -> Document:
        methods = self.resource()["resourceMethods"]
        return found(methods, self.ids["method"].upper(), "Invalid Method identifier specified")

    def deployment(self) -> Document:
        return found(self.api()["_deployments"], self.ids["deployment"], "Invalid Deployment identifier specified")

    def stage(self) -> Document:
        return found(self.api()["_stages"], self.ids["stage"], "Invalid stage identifier specified")

    def key(self) -> Document:
        return found(self.region["keys"], self.ids["key"], "Invalid API Key identifier specified")

    def plan(self) -> Document:
        return found(self.region["plans"], self.ids["plan"], "Invalid Usage Plan ID specified")


class Documents:
    """The documents of all regions."""

    def __init__(
        self, saved: dict[str, Document] | None = None, save: Callable[[Any], None] = lambda _all: None
    ) -> None:
        self._regions: dict[str, Document] = saved if saved is not None else {}
        self._save = save

    def region(self, name: str) -> Document:
        empty: Document = {"apis": {}, "keys": {}, "plans": {}, "planKeys": {}, "account": {}}
        return self._regions.setdefault(name, empty)

    def all(self) -> Iterator[tuple[str, Document]]:
        """Yield each region's name and documents."""
        yield from self._regions.items()

    def save(self) -> None:
        self._save(self._regions)


def found(documents: Mapping[str, Document], name: str, words: str) -> Document:
    """Return the document of a name. Raises AwsError NotFoundException with the words;
    {} in them stands for the account and the name."""
    if name not in documents:
        raise not_found(words.replace("{}", f"{ACCOUNT}:{name}"))
    return documents[name]


def shown(document: Mapping[str, Any]) -> Document:
    """Return a document as an answer shows it."""
    return {name: value for name, value in document.items() if not name.startswith("_") and value is not None}


def page(documents: Mapping[str, Document], query: Mapping[str, str]) -> Document:
    """Return some of the documents, as a list, and the `position` of the next page if there is one."""
    text = query.get("limit", str(_DEFAULT_PAGE))
    limit = int(text) if text.isdecimal() else 0
    if not 1 <= limit <= _MAX_PAGE:
        raise bad_request(f"Invalid value for limit: {text}")
    names = list(documents)
    start = names.index(query["position"]) if query.get("position") in names else 0
    items = [shown(documents[name]) for name in names[start : start + limit]]
    rest = names[start + limit : start + limit + 1]
    return {"item": items, **({"position": rest[0]} if rest else {})}


def new_id() -> str:
    """Return an id as API Gateway makes them: ten lower-case letters and digits."""
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(10))


def bad_request(message: str) -> AwsError:
    return AwsError("BadRequestException", message, 400)


def not_found(message: str) -> AwsError:
    return AwsError("NotFoundException", message, 404)


def conflict(message: str) -> AwsError:
    return AwsError("ConflictException", message, 409)
