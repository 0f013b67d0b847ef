"""A kept version of a stack: a deployment that succeeded, as a sealed object in the bucket of bundles. Pure.

    versions/<number, 8 digits>.json

Its template and its bundle are other objects of that bucket, which versions share. A way back is a version of its own,
with the number of the one that it goes back to.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.wire import SldbError
from sldb.deploy.storage.options import NETWORK, NO_MIGRATION, S3, has_files
from sldb.stack.state import StackState

# The formats of the stored objects. Within one of these numbers they grow by addition only, so that a function of any
# version reads what another one has written. All versions before the first record have number 1.
FORMAT = 1
PREFIX = "versions/"
RECORD = 1  # the version of these objects
KEY = re.compile(rf"{PREFIX}([0-9]{{8}})\.json")


def template_key(text: str) -> str:
    """Return the key of a template in the bucket of bundles: an object there never changes."""
    return f"{hashlib.sha256(text.encode()).hexdigest()}.template"


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    template: str  # key in the bucket of bundles
    parameters: Mapping[str, str]
    sldb: str = ""  # the version of sldb that deployed it; empty if that kept no record
    format: int = FORMAT
    made_at: float = 0.0  # unix seconds
    by: str = ""  # the ARN of the caller; empty if unknown
    back_to: int = 0  # the number of the version that was brought back; 0: it was none

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.number:08d}.json"

    @property
    def bundle(self) -> str:
        """The key of the bundle."""
        return self.parameters["BundleKey"]

    @property
    def place(self) -> int:
        """The number in the line of deployments: that of the version brought back."""
        return self.back_to or self.number

    @property
    def storage(self) -> str:
        """The kind of the databases' store: s3 or efs."""
        return self.parameters.get("Storage", S3)

    @property
    def is_of_move(self) -> bool:
        """True for a step of `sldb migrate-storage`: databases were on their way to another store."""
        return self.parameters.get("Migration", NO_MIGRATION) != NO_MIGRATION

    def is_state(self, state: StackState, template: str) -> bool:
        """Return True if a stack is as this version left it. `template`: of the stack."""
        return dict(state.parameters) == dict(self.parameters) and template_key(template) == self.template

    def encode(self) -> bytes:
        names = ("number", "template", "sldb", "format", "made_at", "by", "back_to")
        fields: dict[str, Any] = {name: getattr(self, name) for name in names}
        return seal({"version": RECORD, **fields, "parameters": dict(self.parameters)}, self.key)


def decode(body: bytes, key: str) -> Version:
    """Return the version in an object. Raises `corrupt`, or `unsupported` for a record of a later sldb."""
    fields = unseal(body, key)
    if fields is None:
        raise SldbError(
            "corrupt", f"the record {key} of a version is damaged", "remove it: it is only needed to go back"
        )
    if fields.pop("version", None) != RECORD:
        raise SldbError("unsupported", f"the record {key} was written by a later version of sldb", "use that one")
    return Version(**fields)


def before(versions: Sequence[Version], live: Version, wanted: str) -> Version:
    """Return the version to go back to: that with the wanted number, or the one deployed before the live one, without
    the steps of a move. Raises `bad_request`, also if the version has the databases elsewhere, `not_found` if there is
    none, `unsupported` if its formats are others."""
    if live.is_of_move:
        raise _refused(
            "the databases of this stack are being moved to another store",
            "`sldb migrate-storage` goes on with the move, and with --abort takes it back",
        )
    if wanted and not wanted.isdigit():
        raise SldbError("bad_request", f"--rollback: got {wanted!r}, want the number of a version", _LISTED)
    if wanted:
        found = [version for version in versions if version.number == int(wanted)]
    else:
        deployed = [version for version in versions if not (version.back_to or version.is_of_move)]
        found = [version for version in deployed if version.number < live.place]
    if not found:
        message = f"there is no version {wanted}" if wanted else "there is no version before this one"
        raise SldbError("not_found", message, _LISTED, applied="no")
    chosen = max(found, key=lambda version: version.number)
    refuse_other_format(live, chosen.format, f"version {chosen.number}")
    _refuse_other_place(live, chosen)
    return chosen


def _refuse_other_place(live: Version, goal: Version) -> None:
    """Raise `bad_request` if the goal has the databases in another place: what was written since would be missing."""
    if goal.is_of_move:
        raise _refused(f"version {goal.number} is a step of a move of the databases to another store", _LISTED)
    if goal.storage != live.storage:
        raise _refused(
            f"the databases of this stack are in {live.storage}, and version {goal.number} has them in {goal.storage}",
            f"sldb migrate-storage {goal.storage} moves them, with their history; then sldb deploy --rollback "
            f"{goal.number}",
        )
    if has_files(live.parameters) and any(live.parameters[name] != goal.parameters[name] for name in NETWORK):
        raise _refused(f"version {goal.number} has the file system of the databases in another network", _LISTED)


def _refused(problem: str, hint: str) -> SldbError:
    return SldbError("bad_request", f"refused: {problem}", hint, applied="no")


def refuse_other_format(live: Version, number: int, other: str) -> None:
    """Raise `unsupported` if code with other formats would get the data of the live version."""
    if number == live.format:
        return
    raise SldbError(
        "unsupported",
        f"refused: the stack is of sldb {live.sldb} with the formats {live.format}, {other} has the formats {number}",
        "restore a backup from before into another stack: sldb backup restore",
        applied="no",
    )


_LISTED = "`sldb status --versions` lists them"
