"""The bucket of a deployed stack, used with the user's own rights: the server's code in this process, over S3.

The settings of the stack's query function name the bucket and the kind of lock. Credentials may expire while gigabytes
are moved: a service is made for each action, with the credentials of the moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.utils import ensure_boolean

from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.shared.endpoints import service_url
from lambda_handlers.store.open import is_foreign, open_store
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.store.s3 import open_s3
from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.aws.endpoints import (
    ca_bundle,
    checked_url,
    configured_url,
    endpoint_variants,
    find_partition,
    proxy_settings,
)
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
        """Raise SldbError `store_error` if there is no such function, or the user may not see it."""
        deployed_function = DeployedFunction.of(function, aws)
        self._settings = _settings_of(deployed_function, aws)
        self.name = f"the bucket of {deployed_function.name}"

    def send(self, request: Request) -> Reply:
        with closing(self._service()) as service:
            return service.reply(request)

    def act(self, action: Action) -> dict[str, Any]:
        with closing(self._service()) as service:
            return service.act(action)

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        found = self.act(Action("result", database, {"request_id": request_id}))
        return found, None if found["reply"] is None else Reply.decode(found["reply"])

    def open_store(self) -> ObjectStore:
        return open_store(self._settings())

    def close(self) -> None:
        """Do nothing: no connection stays open."""

    def _service(self) -> Service:
        return Service(self._settings())


def list_databases(session: boto3.Session, variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return all databases of a store, as in the reply to the action `databases`, with the session's rights.
    `variables`: the settings of a function. Raises SldbError."""
    with closing(Service(_settings_for(session, variables)())) as service:
        return list(service.act(Action("databases", arguments={"all": True}))["databases"])


def bare_store(address: str, session: boto3.Session, endpoint_url: str | None = None) -> tuple[ObjectStore, bool]:
    """Return the store at s3://bucket/prefix with the session's rights, without the probe that a container makes, and
    True if it is not AWS's. Raises SldbError."""
    with aws_errors("use the bucket"):
        bare = Settings(address, credentials=_credentials(session))
        settings = add_endpoints(bare, session._session, session.region_name or "us-east-1", endpoint_url)
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    return open_s3(settings, bucket, prefix), is_foreign(settings)


def add_endpoints(
    settings: Settings, session: botocore.session.Session, region: str, s3_endpoint: str | None = None
) -> Settings:
    """Return the settings with this user's endpoints, proxies and certificates. `s3_endpoint`: given by hand."""
    section = session.get_scoped_config().get("s3") or {}
    s3_section = section if isinstance(section, dict) else {}
    partition = find_partition(session, region)
    fips, dual_stack = endpoint_variants(session)
    s3 = checked_url(s3_endpoint, "s3") if s3_endpoint else configured_url(session, "s3")
    if s3 is None and ensure_boolean(s3_section.get("use_dualstack_endpoint")):
        s3 = service_url("s3", region, partition, fips=fips, dual_stack=True)
    placed = replace(
        settings,
        region=region,
        url_suffix=partition.suffix,
        fips=fips,
        dual_stack=dual_stack,
        endpoint_url=s3,
        ec2_endpoint_url=configured_url(session, "ec2"),
        virtual_hosted=s3_section.get("addressing_style") == "virtual",
        ca_bundle=ca_bundle(session),
    )
    bucket = settings.store.removeprefix("s3://").partition("/")[0]
    return replace(placed, proxies=proxy_settings((placed.s3_bucket(bucket).url, placed.ec2.url)))


def _settings_of(function: DeployedFunction, aws: AwsOptions) -> Callable[[], Settings]:
    variables = function.environment()
    with aws_errors(f"find the bucket of {function.name}"):
        session = boto3_session(aws)
    # All other variables are for the function's own surroundings.
    ours = {name: value for name, value in variables.items() if name.startswith("SLDB_")}
    if ours.get("SLDB_STORE", "").startswith("file:"):  # a directory of the function's, not of this machine
        message = f"the databases of {function.name} are in a file system that only its functions reach"
        raise SldbError("store_error", message, "go through the function: --through function", applied="no")
    return _settings_for(session, ours)


def _settings_for(session: boto3.Session, variables: Mapping[str, str]) -> Callable[[], Settings]:
    """Return a source of a function's settings for use with the session's rights: with the credentials of the
    moment."""
    settings = replace(
        add_endpoints(Settings.from_environment(variables), session._session, session.region_name),
        cache_bytes=CACHE_BYTES,
        memory_bytes=MEMORY_BYTES,
        log_level="error",
        temp_dir=tempfile.gettempdir(),
    )
    return lambda: replace(settings, credentials=_credentials(session))


def _credentials(session: boto3.Session) -> Credentials:
    with aws_errors("use the bucket"):
        found = session.get_credentials()
        if found is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        frozen = found.get_frozen_credentials()
    return Credentials(str(frozen.access_key), str(frozen.secret_key), frozen.token)
