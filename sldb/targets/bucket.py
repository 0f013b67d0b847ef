"""The bucket of a deployed stack, used with the user's own rights: the server's code in this process, over S3.

Where the bucket is and what kind of lock the stack has, the settings of its query function say. Credentials may end
while gigabytes are moved: a service is made for each action, with those of the moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store.open import is_foreign, open_store
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.store.s3 import open_s3
from lambda_handlers.wire import Action, Reply, Request
from sldb.aws.endpoints import reached_by
from sldb.aws.errors import aws_errors
from sldb.aws.options import AwsOptions
from sldb.aws.session import boto3_session
from sldb.targets.deployed_function import DeployedFunction

if TYPE_CHECKING:
    import boto3
    import botocore.session

MEMORY_BYTES = 256 << 20
CACHE_BYTES = 64 << 20


class BucketTarget:
    def __init__(self, function: str | DeployedFunction, aws: AwsOptions) -> None:
        """Raises SldbError `store_error` where there is no such function, or it may not be seen."""
        deployed_function = (
            function if isinstance(function, DeployedFunction) else DeployedFunction(aws, function=function)
        )
        self._settings = _settings_of(deployed_function, aws)
        self.name = f"the bucket of {deployed_function.function}"

    def send(self, request: Request) -> Reply:
        with closing(self._service()) as service:
            return service.reply(request)

    def act(self, action: Action) -> dict[str, Any]:
        with closing(self._service()) as service:
            return service.act(action)

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        told = self.act(Action("result", database, {"request_id": request_id}))
        return told, None if told["reply"] is None else Reply.decode(told["reply"])

    def open_store(self) -> ObjectStore:
        return open_store(self._settings())

    def close(self) -> None:
        """Nothing stays open."""

    def _service(self) -> Service:
        return Service(self._settings())


def _settings_of(deployed_function: DeployedFunction, aws: AwsOptions) -> Callable[[], Settings]:
    variables = deployed_function.settings()
    with aws_errors(f"find the bucket of {deployed_function.function}"):
        session = boto3_session(aws)
    ours = {name: value for name, value in variables.items() if name.startswith("SLDB_")}  # all others are for there
    return _settings_for(session, ours)


def databases_in(session: boto3.Session, variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """All databases of a store, as the action `databases` tells them, with the session's rights; `variables` are the
    settings of a function. Raises SldbError."""
    with closing(Service(_settings_for(session, variables)())) as service:
        return list(service.act(Action("databases", arguments={"all": True}))["databases"])


def _settings_for(session: boto3.Session, variables: Mapping[str, str]) -> Callable[[], Settings]:
    """The settings of a function, to be used with the session's rights: as they are at each moment."""
    settings = replace(
        reached_by(Settings.from_environment(variables), _core(session), session.region_name),
        cache_bytes=CACHE_BYTES,
        memory_bytes=MEMORY_BYTES,
        log_level="error",
        temp_dir=tempfile.gettempdir(),
    )
    return lambda: replace(settings, credentials=_credentials(session))


def bare_store(address: str, session: boto3.Session, endpoint_url: str | None = None) -> tuple[ObjectStore, bool]:
    """The store at s3://bucket/prefix as the session's user sees it, without the probe that a container makes; and
    whether another than AWS is at work there. Raises SldbError."""
    with aws_errors("use the bucket"):
        bare = Settings(address, credentials=_credentials(session))
        settings = reached_by(bare, _core(session), session.region_name or "us-east-1", endpoint_url)
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return open_s3(settings, bucket, prefix), is_foreign(settings)


def _core(session: boto3.Session) -> botocore.session.Session:
    return session._session


def _credentials(session: boto3.Session) -> Credentials:
    with aws_errors("use the bucket"):
        found = session.get_credentials()
        if found is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        frozen = found.get_frozen_credentials()
    return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)
