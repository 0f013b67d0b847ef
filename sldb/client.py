"""Request → Reply over a target: a Lambda function, or the same code in this process over a directory.

A target is written `lambda`, `lambda:NAME`, `local` or `local:DIR`. Heavy imports (boto3, the engine) happen where
a target of their kind is opened.

What a target is stands in targets/protocol.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.targets.protocol import AwsOptions, Target, with_id

DEFAULT_FUNCTION = "test-db-function"


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
            part = error.details.get("part", 0)
            if len(request.statements) == 1 or "part" in error.details:
                error.details.setdefault("query", request.statements[part].query)
            raise

    def act(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Something that is not SQL, on this client's database; arguments that are None are left out. Raises
        SldbError."""
        given = {key: value for key, value in arguments.items() if value is not None}
        return self.target.act(Action(name, self.database, given))

    def result(self, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """What became of a request, as the action `result` tells it, and its reply if it was applied. Raises
        SldbError."""
        return self.target.result(self.database, request_id)

    def close(self) -> None:
        self.target.close()


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
