"""The supported resource types. Any other is refused by name."""

from __future__ import annotations

from collections.abc import Mapping

from sldb.emulator.cloudformation.resources.aws_lambda import EventInvokeConfig, Function, Permission
from sldb.emulator.cloudformation.resources.base import ResourceType
from sldb.emulator.cloudformation.resources.ec2 import Vpc
from sldb.emulator.cloudformation.resources.events import Rule
from sldb.emulator.cloudformation.resources.iam import InlinePolicy, Role
from sldb.emulator.cloudformation.resources.logs import LogGroup
from sldb.emulator.cloudformation.resources.s3 import Bucket, BucketPolicy
from sldb.emulator.cloudformation.resources.secretsmanager import Secret

TYPES: Mapping[str, ResourceType] = {
    "AWS::S3::Bucket": Bucket(),
    "AWS::S3::BucketPolicy": BucketPolicy(),
    "AWS::EC2::VPC": Vpc(),
    "AWS::IAM::Role": Role(),
    "AWS::IAM::Policy": InlinePolicy(),
    "AWS::Lambda::Function": Function(),
    "AWS::Lambda::Permission": Permission(),
    "AWS::Lambda::EventInvokeConfig": EventInvokeConfig(),
    "AWS::Events::Rule": Rule(),
    "AWS::Logs::LogGroup": LogGroup(),
    "AWS::SecretsManager::Secret": Secret(),
}
