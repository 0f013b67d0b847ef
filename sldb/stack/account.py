"""An AWS account in one region, as one identity sees it, with the clients for it.

Credentials, profile, region and AWS_ENDPOINT_URL are handled by boto3. Connecting queries AWS for the identity, so that
wrong credentials are one clear message before anything else happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.errors import REGION_HINT, aws_errors
from sldb.aws.session import boto3_session
from sldb.stack import names
from sldb.stack.bucket import Bucket

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

    from sldb.aws.options import AwsOptions
    from sldb.stack.state import StackState

_VARIANTS = ("fips", "dualstack")


@dataclass(frozen=True)  # no slots: a client takes 50 ms to make, and is made once
class Account:
    session: boto3.Session
    id: str  # 12 digits
    region: str
    caller: str = ""  # the ARN of the identity

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return self.session.client("cloudformation", config=_config())

    @cached_property
    def s3(self) -> S3Client:
        return self.session.client("s3", config=_config())

    @cached_property
    def ec2(self) -> EC2Client:
        return self.session.client("ec2", config=_config())

    @cached_property
    def functions(self) -> LambdaClient:
        return self.session.client("lambda", config=_config())

    @cached_property
    def efs(self) -> Any:
        return self.session.client("efs", config=_config())

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self.session.client("logs", config=_config())

    @cached_property
    def iam(self) -> IAMClient:
        return self.session.client("iam", config=_config())

    @cached_property
    def events(self) -> Any:
        return self.session.client("events", config=_config())

    @cached_property
    def apis(self) -> Any:
        """API Gateway's HTTP APIs, and the custom domains of all APIs."""
        return self.session.client("apigatewayv2", config=_config())

    @cached_property
    def rest_apis(self) -> Any:
        return self.session.client("apigateway", config=_config())

    @cached_property
    def queues(self) -> Any:
        return self.session.client("sqs", config=_config())

    @cached_property
    def secrets(self) -> Any:
        return self.session.client("secretsmanager", config=_config())

    @cached_property
    def cloudwatch(self) -> Any:
        return self.session.client("cloudwatch", config=_config())

    @cached_property
    def topics(self) -> Any:
        return self.session.client("sns", config=_config())

    @cached_property
    def keys(self) -> Any:
        return self.session.client("kms", config=_config())

    @property
    def variants(self) -> dict[str, str]:
        """The FIPS and dual-stack settings of environment and profile, as variables; without the unset ones."""
        keys = [f"use_{name}_endpoint" for name in _VARIANTS]
        found = {key: self.session._session.get_config_variable(key) for key in keys}
        return {f"AWS_{key.upper()}": str(value).lower() for key, value in found.items() if value is not None}

    def bundle_bucket(self, stack: str) -> Bucket:
        return self.bucket(names.bundle_bucket(stack, self.id, self.region))

    def data_bucket(self, stack: str, state: StackState | None = None) -> Bucket:
        """Return the data bucket, adopted or made by the stack's template, by its parameters: outputs can be changed by
        hand."""
        return self.bucket((state and state.adopted_bucket) or names.data_bucket(stack, self.id, self.region))

    def bucket(self, name: str) -> Bucket:
        return Bucket(self.s3, name, self.id)


def connect(options: AwsOptions) -> Account:
    """Return the user's account. Raises `store_error` (exit status 3) without credentials or region, or if AWS cannot
    be reached."""
    with aws_errors("determine your AWS identity"):
        session = boto3_session(options)
        if not session.region_name:
            raise SldbError("store_error", "no AWS region is set", REGION_HINT)
        identity = session.client("sts", config=_config()).get_caller_identity()
    return Account(session, identity["Account"], session.region_name, identity["Arn"])


def _config() -> Config:
    from botocore.config import Config

    return Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10)
