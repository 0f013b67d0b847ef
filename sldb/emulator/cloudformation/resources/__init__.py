"""The supported resource types. Any other is refused by name."""

from __future__ import annotations

from collections.abc import Mapping

from sldb.emulator.cloudformation.resources import (
    api_gateway,
    api_gateway_stages,
    api_gateway_v2,
    cloudwatch,
    ec2,
    efs,
    kms,
    sns,
)
from sldb.emulator.cloudformation.resources.aws_lambda import EventInvokeConfig, Function, Permission
from sldb.emulator.cloudformation.resources.base import ResourceType
from sldb.emulator.cloudformation.resources.event_sources import EventSourceMapping
from sldb.emulator.cloudformation.resources.events import Rule
from sldb.emulator.cloudformation.resources.iam import InlinePolicy, Role
from sldb.emulator.cloudformation.resources.lambda_aliases import Alias, Version
from sldb.emulator.cloudformation.resources.logs import LogGroup
from sldb.emulator.cloudformation.resources.s3 import Bucket, BucketPolicy
from sldb.emulator.cloudformation.resources.secretsmanager import Secret
from sldb.emulator.cloudformation.resources.sqs import Queue, QueuePolicy

TYPES: Mapping[str, ResourceType] = {
    "AWS::S3::Bucket": Bucket(),
    "AWS::S3::BucketPolicy": BucketPolicy(),
    "AWS::EC2::VPC": ec2.Vpc(),
    "AWS::EC2::Subnet": ec2.Subnet(),
    "AWS::EC2::SecurityGroup": ec2.SecurityGroup(),
    "AWS::EC2::SecurityGroupIngress": ec2.SecurityGroupIngress(),
    "AWS::EFS::FileSystem": efs.FileSystem(),
    "AWS::EFS::AccessPoint": efs.AccessPoint(),
    "AWS::EFS::MountTarget": efs.MountTarget(),
    "AWS::IAM::Role": Role(),
    "AWS::IAM::Policy": InlinePolicy(),
    "AWS::Lambda::Function": Function(),
    "AWS::Lambda::Alias": Alias(),
    "AWS::Lambda::Permission": Permission(),
    "AWS::Lambda::Version": Version(),
    "AWS::Lambda::EventInvokeConfig": EventInvokeConfig(),
    "AWS::Lambda::EventSourceMapping": EventSourceMapping(),
    "AWS::SQS::Queue": Queue(),
    "AWS::SQS::QueuePolicy": QueuePolicy(),
    "AWS::Events::Rule": Rule(),
    "AWS::Logs::LogGroup": LogGroup(),
    "AWS::SecretsManager::Secret": Secret(),
    "AWS::KMS::Key": kms.Key(),
    "AWS::SNS::Topic": sns.Topic(),
    "AWS::SNS::TopicPolicy": sns.TopicPolicy(),
    "AWS::SNS::Subscription": sns.Subscription(),
    "AWS::CloudWatch::Alarm": cloudwatch.Alarm(),
    "AWS::CloudWatch::Dashboard": cloudwatch.Dashboard(),
    "AWS::ApiGateway::RestApi": api_gateway.RestApi(),
    "AWS::ApiGateway::Resource": api_gateway.Resource(),
    "AWS::ApiGateway::Method": api_gateway.Method(),
    "AWS::ApiGateway::GatewayResponse": api_gateway.GatewayResponse(),
    "AWS::ApiGateway::Deployment": api_gateway.Deployment(),
    "AWS::ApiGateway::Account": api_gateway.Account(),
    "AWS::ApiGateway::Stage": api_gateway_stages.Stage(),
    "AWS::ApiGateway::UsagePlan": api_gateway_stages.UsagePlan(),
    "AWS::ApiGateway::UsagePlanKey": api_gateway_stages.UsagePlanKey(),
    "AWS::ApiGateway::ApiKey": api_gateway_stages.ApiKey(),
    "AWS::ApiGatewayV2::Api": api_gateway_v2.Api(),
    "AWS::ApiGatewayV2::Stage": api_gateway_v2.Stage(),
    "AWS::ApiGatewayV2::Route": api_gateway_v2.Route(),
    "AWS::ApiGatewayV2::Integration": api_gateway_v2.Integration(),
    "AWS::ApiGatewayV2::Authorizer": api_gateway_v2.Authorizer(),
    "AWS::ApiGatewayV2::DomainName": api_gateway_v2.DomainName(),
    "AWS::ApiGatewayV2::ApiMapping": api_gateway_v2.ApiMapping(),
}
