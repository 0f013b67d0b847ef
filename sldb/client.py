"""Request → Reply over a target: a Lambda function, or the same code in this process over a directory.

A target is written `lambda`, `lambda:NAME`, `local` or `local:DIR`. Heavy imports (boto3, the engine) happen where
a target of their kind is opened.

What a target is stands in targets/protocol.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from lambda_handlers.wire import Action, Reply, Request, SldbError, Statement
from sldb.creation import Creation
from sldb.targets.protocol import AwsOptions, Target, with_id

T = TypeVar("T")

DEFAULT_FUNCTION = "test-db-function"


@dataclass(frozen=True, slots=True)
class Client:
    """A target and what to tell it with every request."""

    target: Target
    database: str = "main"
    creation: Creation = field(default_factory=Creation)

    def execute(self, request: Request) -> Reply:
        """Raises SldbError; its details["query"] is the SQL that details["offset"] counts in."""
        request = with_id(replace(request, database=self.database))
        try:
            return self._creating(
                lambda may_create: self.target.send(replace(request, create=may_create)),
                may_create=request.create and self.creation.allows(self.database),
                asks=request.create and not request.dry_run,
            )
        except SldbError as error:
            part = error.details.get("part", 0)
            if len(request.statements) == 1 or "part" in error.details:
                error.details.setdefault("query", request.statements[part].query)
            raise

    def act(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Something that is not SQL, on this client's database; arguments that are None are left out. Raises
        SldbError."""
        given = {key: value for key, value in arguments.items() if value is not None}
        return self._creating(
            lambda may_create: self.target.act(Action(name, self.database, given, create=may_create)),
            may_create=name not in _CREATING_ACTIONS or self.creation.allows(self.database),
        )

    def prepare_to_write(self) -> None:
        """Settle, before work is done for it, whether a write may create the database. Raises SldbError."""
        if self.creation.allows(self.database):
            return
        probe = Request((Statement("PRAGMA user_version = 0"),), self.database, dry_run=True)
        self._creating(lambda may_create: self.target.send(replace(probe, create=may_create)), may_create=False)

    def database_names(self) -> list[str]:
        """Return the names of the databases there are, also of damaged and unfinished ones. Raises SldbError."""
        found = self.target.act(Action("databases", self.database))["databases"]
        return [str(one["name"]) for one in found if one["state"] != "dropped"]

    def _creating(self, send: Callable[[bool], T], *, may_create: bool, asks: bool = True) -> T:
        """Send what may write; once more, where it was refused for creating the database, and that is agreed to."""
        try:
            return send(may_create)
        except SldbError as error:
            if not error.details.get("creatable"):
                raise
            creation = self.creation if asks else replace(self.creation, ask=None)
            creation.agree(self.database, error, self.database_names())
        return send(True)

    def result(self, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """What became of a request, as the action `result` tells it, and its reply if it was applied. Raises
        SldbError."""
        return self.target.result(self.database, request_id)

    def close(self) -> None:
        self.target.close()


_CREATING_ACTIONS = ("create_database", "push_commit", "set_database")  # and not on purpose: see `Creation`


def open_target(text: str, aws: AwsOptions | None = None) -> Target:
    """The target that `text` names; raises `bad_request` for a name that is none."""
    kind, _, rest = text.partition(":")
    if kind == "lambda":
        from sldb.targets.aws_lambda import LambdaTarget

        return LambdaTarget(rest or DEFAULT_FUNCTION, aws or AwsOptions())
    if kind == "local":
        from sldb.targets.local import LocalTarget

        return LocalTarget(Path(rest) if rest else default_directory())
    raise SldbError(
        "bad_request",
        f"no such target: {text}",
        "a target is lambda, lambda:FUNCTION, local or local:DIRECTORY",
    )


def local_directory(text: str) -> Path | None:
    """Return the directory that a target `local:DIR` names; None for other targets, and for the default directory."""
    kind, _, rest = text.partition(":")
    return Path(rest).expanduser().absolute() if kind == "local" and rest else None


def default_directory() -> Path:
    """Where `local` without a directory keeps its databases."""
    import platformdirs

    return Path(platformdirs.user_data_dir("sldb", appauthor=False)) / "databases"
