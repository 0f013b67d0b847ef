"""The state of an emulator outlives its process: what a caller has an answer to is in the directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")

import boto3
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.emulator.calls.function_config import ARCHITECTURE, RUNTIME
from sldb.emulator.cloudformation.stack import Stack
from sldb.emulator.cloudformation.stacks import Stacks
from sldb.emulator.front.server import Emulator
from sldb.emulator.state import recorder
from sldb.emulator.state.pickling import LARGE_BYTES
from sldb.emulator.state.state_file import StateFile
from tests.sldb.emulator.conftest import LOGS, TRUST, zipped

Client = Callable[[str], Any]


@contextmanager
def emulator(data: Path) -> Iterator[Client]:
    with Emulator(data=data) as aws:

        def client(service: str) -> Any:
            return boto3.client(
                service,
                endpoint_url=aws.url,
                region_name="us-east-1",
                aws_access_key_id="emulator",
                aws_secret_access_key="emulator",
                config=Config(retries={"max_attempts": 1}),
            )

        yield client


def killed(data: Path, copy: Path) -> Path:
    """Return the directory as a process that was killed at this moment would leave it."""
    shutil.copytree(data, copy)
    return copy


def objects(s3: Any, bucket: str) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found}


def test_objects_outlive_the_process(tmp_path: Path) -> None:
    with emulator(tmp_path / "a") as client:
        s3 = client("s3")
        s3.create_bucket(Bucket="bucket")
        for name in ("x", "y", "dir/é & <z>"):
            s3.put_object(Bucket="bucket", Key=name, Body=name.encode())
        s3.put_object(Bucket="bucket", Key="x", Body=b"newer", Tagging="a=1", Metadata={"m": "1"})
        s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "y"}, {"Key": "dir/é & <z>"}]})
        s3.copy_object(Bucket="bucket", Key="copied", CopySource="bucket/x")
        with pytest.raises(s3.exceptions.ClientError):
            s3.put_object(Bucket="bucket", Key="x", Body=b"refused", IfNoneMatch="*")
        upload = s3.create_multipart_upload(Bucket="bucket", Key="large")["UploadId"]
        part = s3.upload_part(Bucket="bucket", Key="large", UploadId=upload, PartNumber=1, Body=b"p" * 100)["ETag"]
        parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
        s3.complete_multipart_upload(Bucket="bucket", Key="large", UploadId=upload, MultipartUpload=parts)
        etag = s3.head_object(Bucket="bucket", Key="x")["ETag"]
        copy = killed(tmp_path / "a", tmp_path / "b")
    for directory in (tmp_path / "a", copy):
        with emulator(directory) as client:
            s3 = client("s3")
            assert objects(s3, "bucket") == {"x": b"newer", "copied": b"newer", "large": b"p" * 100}
            assert s3.head_object(Bucket="bucket", Key="x")["ETag"] == etag
            assert s3.head_object(Bucket="bucket", Key="x")["Metadata"] == {"m": "1"}
            assert s3.get_object_tagging(Bucket="bucket", Key="x")["TagSet"] == [{"Key": "a", "Value": "1"}]
            with pytest.raises(s3.exceptions.ClientError):
                s3.put_object(Bucket="bucket", Key="x", Body=b"refused", IfNoneMatch="*")


def test_settings_and_versions_of_buckets_outlive_the_process(tmp_path: Path) -> None:
    policy = '{"Version": "2012-10-17", "Statement": []}'
    with emulator(tmp_path / "a") as client:
        s3 = client("s3")
        for name in ("bucket", "gone"):
            s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_policy(Bucket="bucket", Policy=policy)
        s3.put_bucket_tagging(Bucket="bucket", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        for body in (b"1", b"2"):
            s3.put_object(Bucket="bucket", Key="x", Body=body)
        s3.delete_object(Bucket="bucket", Key="x")
        s3.put_bucket_policy(Bucket="gone", Policy=policy)
        s3.delete_bucket(Bucket="gone")
        copy = killed(tmp_path / "a", tmp_path / "b")
    with emulator(copy) as client:
        s3 = client("s3")
        assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["bucket"]
        assert s3.get_bucket_versioning(Bucket="bucket")["Status"] == "Enabled"
        assert s3.get_bucket_policy(Bucket="bucket")["Policy"] == policy
        assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == [{"Key": "k", "Value": "v"}]
        found = s3.list_object_versions(Bucket="bucket")
        assert (len(found["Versions"]), len(found["DeleteMarkers"])) == (2, 1)
        s3.create_bucket(Bucket="gone")  # its name is free
        with pytest.raises(s3.exceptions.ClientError):
            s3.get_bucket_policy(Bucket="gone")


STACK = """
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: of-the-stack, RetentionInDays: 7}
Outputs:
  Name: {Value: !Ref Group}
"""


def test_functions_roles_groups_and_stacks_outlive_the_process(tmp_path: Path) -> None:
    app = "def handler(event, context):\n    print('seen', event)\n    return event\n"
    code = zipped({"app.py": app, "large.txt": "x" * LARGE_BYTES})
    with Emulator(data=tmp_path / "a") as aws:
        options: dict[str, Any] = {
            "endpoint_url": aws.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "emulator",
            "aws_secret_access_key": "emulator",
        }
        iam, functions = boto3.client("iam", **options), boto3.client("lambda", **options)
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        rights = json.dumps({"Version": "2012-10-17", "Statement": [LOGS]})
        iam.put_role_policy(RoleName="r", PolicyName="logs", PolicyDocument=rights)
        functions.create_function(
            FunctionName="f",
            Runtime=RUNTIME,
            Architectures=[ARCHITECTURE],
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": code},
        )
        ec2 = boto3.client("ec2", **options)
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        secrets = boto3.client("secretsmanager", **options)
        secrets.create_secret(Name="key", SecretString="first")
        secrets.put_secret_value(SecretId="key", SecretString="second")
        gateway = boto3.client("apigateway", **options)
        api = gateway.create_rest_api(name="api")["id"]
        key = gateway.create_api_key(name="key", enabled=True)
        group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
        cloudformation = boto3.client("cloudformation", **options)
        cloudformation.create_stack(StackName="s", TemplateBody=STACK)
        aws.wait_for_stacks(60)
        stack = cloudformation.describe_stacks(StackName="s")["Stacks"][0]
        copy = killed(tmp_path / "a", tmp_path / "b")
        functions.invoke(FunctionName="f", Payload=b'{"n": 1}')
    with emulator(copy) as client:
        assert client("iam").get_role(RoleName="r")["Role"]["Arn"] == role
        assert client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["GroupName"] == "g"
        assert client("cloudformation").describe_stacks(StackName="s")["Stacks"][0] == stack
        values = {
            stage: client("secretsmanager").get_secret_value(SecretId="key", VersionStage=stage)["SecretString"]
            for stage in ("AWSCURRENT", "AWSPREVIOUS")
        }
        assert values == {"AWSCURRENT": "second", "AWSPREVIOUS": "first"}
        assert client("apigateway").get_rest_api(restApiId=api)["name"] == "api"
        found = client("apigateway").get_api_key(apiKey=key["id"], includeValue=True)
        assert (found["value"], found["enabled"]) == (key["value"], True)
        assert client("logs").describe_log_groups(logGroupNamePrefix="of-the-stack")["logGroups"]
        done = client("lambda").invoke(FunctionName="f", Payload=b'{"n": 2}')
        assert done["Payload"].read() == b'{"n": 2}'
        client("cloudformation").delete_stack(StackName="s")
    with emulator(tmp_path / "a") as client:  # closed in order: with its last log lines
        events = client("logs").filter_log_events(logGroupName="/aws/lambda/f")["events"]
        assert any("seen {'n': 1}" in event["message"] for event in events)
        assert client("cloudformation").describe_stacks(StackName="s")["Stacks"][0] == stack


def test_an_operation_that_ended_with_the_process_has_failed(tmp_path: Path) -> None:
    stacks = Stacks()
    for status in (
        "CREATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "DELETE_IN_PROGRESS",
    ):
        stack = Stack.new(status, "us-east-1")
        stack.become(status)
        stacks.add(stack)
    stacks.end_interrupted()
    assert [stack.status for stack in stacks.of_region("us-east-1")] == [
        "CREATE_FAILED",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_FAILED",
        "DELETE_FAILED",
    ]


def test_a_directory_is_used_by_one_emulator_at_a_time(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "a")
    with pytest.raises(SldbError, match="locked"), Emulator(data=tmp_path / "a"):
        pass
    file.close()
    with emulator(tmp_path / "a") as client:  # the failure has left nothing behind in this process
        assert client("s3").list_buckets()["Buckets"] == []


def test_what_is_no_state_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "state.sqlite").write_text("something else, which is no database of SQLite")
    with pytest.raises(SldbError, match="not an emulator's"), Emulator(data=tmp_path / "a"):
        pass
    with emulator(tmp_path / "b"):
        pass
    monkeypatch.setattr(recorder.metadata, "version", lambda _name: "99")
    with pytest.raises(SldbError, match="another version"), Emulator(data=tmp_path / "b"):
        pass


NAMES = st.sampled_from(["a", "b/c", "b/d", "é<&>"])
STEPS = st.one_of(
    st.tuples(st.just("put"), NAMES, st.binary(max_size=20)),
    st.tuples(st.just("delete"), NAMES, st.just(b"")),
    st.tuples(st.just("delete_all"), NAMES, st.just(b"")),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=12), st.booleans())
def test_after_any_calls_the_directory_holds_what_they_made(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bytes]], versioned: bool
) -> None:
    directory = tmp_path_factory.mktemp("state")
    wanted: dict[str, bytes] = {}
    with emulator(directory / "a") as client:
        s3 = client("s3")
        s3.create_bucket(Bucket="bucket")
        if versioned:
            s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        for kind, name, body in steps:
            if kind == "put":
                s3.put_object(Bucket="bucket", Key=name, Body=body)
                wanted[name] = body
            elif kind == "delete":
                s3.delete_object(Bucket="bucket", Key=name)
                wanted.pop(name, None)
            else:
                s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": name}, {"Key": "a"}]})
                wanted.pop(name, None)
                wanted.pop("a", None)
        before = s3.list_object_versions(Bucket="bucket").get("Versions", [])
        copy = killed(directory / "a", directory / "b")
    with emulator(copy) as client:
        assert objects(client("s3"), "bucket") == wanted
        assert client("s3").list_object_versions(Bucket="bucket").get("Versions", []) == before


def test_queues_and_mappings_outlive_the_process(tmp_path: Path) -> None:
    with emulator(tmp_path / "a") as client:
        sqs, iam = client("sqs"), client("iam")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": arn}]}
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(rights))
        code = {"Runtime": RUNTIME, "Handler": "a.b", "Code": {"ZipFile": zipped({"a.py": ""})}}
        client("lambda").create_function(FunctionName="f", Architectures=[ARCHITECTURE], Role=role, **code)
        made = client("lambda").create_event_source_mapping(FunctionName="f", EventSourceArn=arn, Enabled=False)
        sent = sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"]
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    with emulator(tmp_path / "a") as client:
        sqs = client("sqs")
        url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
        (again,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        assert (again["MessageId"], again["Attributes"]["ApproximateReceiveCount"]) == (sent, "2")
        assert client("lambda").get_event_source_mapping(UUID=made["UUID"])["EventSourceArn"] == arn


def test_keys_topics_and_alarms_outlive_the_process(tmp_path: Path) -> None:
    with emulator(tmp_path) as client:
        key = client("kms").create_key(Description="for alarms")["KeyMetadata"]["KeyId"]
        client("kms").disable_key(KeyId=key)
        topic = client("sns").create_topic(Name="alarms")["TopicArn"]
        client("cloudwatch").put_metric_alarm(
            AlarmName="errors",
            Namespace="sldb",
            MetricName="errors",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[topic],
        )
    with emulator(tmp_path) as client:
        found = client("kms").describe_key(KeyId=key)["KeyMetadata"]
        assert (found["Description"], found["KeyState"]) == ("for alarms", "Disabled")
        assert [each["TopicArn"] for each in client("sns").list_topics()["Topics"]] == [topic]
        (alarm,) = client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert alarm["AlarmActions"] == [topic]
