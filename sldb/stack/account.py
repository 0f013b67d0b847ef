"""Where we deploy to: one AWS account, one region, one identity, and the clients that talk to it.

Credentials, profile, region and AWS_ENDPOINT_URL are boto3's business. Connecting asks AWS who we are, so that wrong
credentials are one clear message before anything else happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.errors import REGION_HINT, OperationFailed, aws_errors
from sldb.aws.session import boto3_session

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

_LONGEST_BUCKET_NAME = 63
_VARIANTS = ("fips", "dualstack")


@dataclass(frozen=True)  # no slots: a client takes 50 ms to make, and is made once
class Account:
    session: boto3.Session
    id: str  # 12 digits
    region: str
    partition: str  # aws, aws-cn, …

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
    def logs(self) -> CloudWatchLogsClient:
        return self.session.client("logs", config=_config())

    @cached_property
    def iam(self) -> IAMClient:
        return self.session.client("iam", config=_config())

    @cached_property
    def events(self) -> Any:
        return self.session.client("events", config=_config())

    @property
    def variants(self) -> dict[str, str]:
        """Return what environment or profile say of FIPS and dual-stack endpoints, as variables; only what they say."""
        keys = [f"use_{name}_endpoint" for name in _VARIANTS]
        said = {key: self.session._session.get_config_variable(key) for key in keys}
        return {f"AWS_{key.upper()}": str(value).lower() for key, value in said.items() if value is not None}

    def bundle_bucket(self, stack: str) -> str:
        return self._bucket(stack, "bundles")

    def data_bucket(self, stack: str) -> str:
        """The name that the template gives to the data bucket."""
        return self._bucket(stack, "data")

    def data_bucket_of(self, stack: str, state: StackState | None) -> str:
        """The bucket that the stack's template adopted or made, by its parameters: outputs can be changed by hand."""
        adopted = state.parameters.get("ExistingBucket") if state else None
        return adopted or self.data_bucket(stack)

    def _bucket(self, stack: str, what: str) -> str:
        name = f"{stack}-{what}-{self.id}-{self.region}"
        if len(name) > _LONGEST_BUCKET_NAME:
            room = len(stack) - (len(f"{stack}-bundles-{self.id}-{self.region}") - _LONGEST_BUCKET_NAME)
            raise SldbError("bad_request", f"--stack: {stack!r} is too long, want at most {room} characters")
        return name


def connect(options: AwsOptions) -> Account:
    """Raises `store_error` (exit status 3) without credentials or region, or where AWS cannot be reached."""
    with aws_errors("find out who you are at AWS"):
        session = boto3_session(options)
        if not session.region_name:
            raise SldbError("store_error", "no AWS region is set", REGION_HINT)
        identity = session.client("sts", config=_config()).get_caller_identity()
    return Account(session, identity["Account"], session.region_name, identity["Arn"].split(":")[1])


def bucket_exists(s3: S3Client, bucket: str, account: str) -> bool:
    """Whether we have this bucket. Raises OperationFailed if somebody else has it, or it may not be seen."""
    from botocore.exceptions import ClientError

    with aws_errors(f"look for the bucket {bucket}"):
        try:
            s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:
                return False
            if status == 403:
                raise OperationFailed(
                    f"the bucket {bucket} belongs to another account, or you may not see it",
                    "choose another --stack, or get s3:ListBucket on it",
                ) from error
            raise
    return True


def _config() -> Config:
    from botocore.config import Config

    return Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10)
