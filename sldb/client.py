"""Request → Reply over a target: a Lambda function, or the same code in this process over a directory.

A target is written `lambda`, `lambda:NAME`, `local` or `local:DIR`. Heavy imports (boto3, the engine) happen where
a target of their kind is opened.

Every request goes out with a `request_id`, so that sending it again after a lost answer applies nothing twice.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lambda_handlers.wire import Reply, Request, SldbError

DEFAULT_FUNCTION = "test-db-function"


class Target(Protocol):
    name: str  # as the user may write it, for messages

    def send(self, request: Request) -> Reply:
        """Raises SldbError, as the function does; `store_error` with exit status 3 where it cannot be reached."""

    def close(self) -> None:
        """Give up connections and temporary files."""


@dataclass(frozen=True, slots=True)
class AwsOptions:
    profile: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A target and what to tell it with every request."""

    target: Target
    database: str = "main"

    def execute(self, request: Request) -> Reply:
        """Raises SldbError; its details["query"] is the SQL that details["offset"] counts in."""
        request = with_id(replace(request, database=self.database))
        try:
            return self.target.send(request)
        except SldbError as error:
            if len(request.statements) == 1:
                error.details.setdefault("query", request.statements[0].query)
            raise

    def close(self) -> None:
        self.target.close()


def with_id(request: Request) -> Request:
    """The request with a `request_id`: its own, or else a new one."""
    return request if request.request_id else replace(request, request_id=uuid.uuid4().hex)


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


def default_directory() -> Path:
    """Where `local` without a directory keeps its databases."""
    import platformdirs

    return Path(platformdirs.user_data_dir("sldb", appauthor=False)) / "databases"
