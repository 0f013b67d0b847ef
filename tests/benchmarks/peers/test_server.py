"""The simulated S3 and EC2 over HTTP, by the clients that the benchmark compares: sldb's own, and boto3."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from benchmarks.peers.simulator.control import Control
from benchmarks.peers.simulator.latency import Latency
from benchmarks.peers.simulator.objects import Body
from benchmarks.peers.simulator.server import Server
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore
from lambda_handlers.store.s3 import open_s3

CONTROL = Control(Latency(0, 0, 0, 0))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    loop, ports = asyncio.new_event_loop(), []

    async def serve() -> None:
        server = await asyncio.start_server(Server(CONTROL).connected, "127.0.0.1", 0, limit=1 << 20)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await stopping.wait()
        server.close()
        current = asyncio.current_task()
        for task in asyncio.all_tasks() - {current}:
            task.cancel()
            await asyncio.wait([task])

    stopping, started = asyncio.Event(), threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    yield f"http://127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(stopping.set)
    thread.join()
    loop.close()


@pytest.fixture
def store(url: str) -> ObjectStore:
    CONTROL._clear()
    return open_s3(Settings("", endpoint_url=url, credentials=Credentials("own", "secret")), "plain", "log")


@pytest.fixture
def s3(url: str):  # type: ignore[no-untyped-def]  # boto3 has types for its resources only by name
    CONTROL._clear()
    keys = {"aws_access_key_id": "boto", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **keys)
    yield client
    client.close()


def asked() -> dict[str, int]:
    asyncio.run(CONTROL._quiet())  # a request is recorded once its answer has been sent
    return dict(Counter(fields[0] for fields in CONTROL._asked()))


def test_our_store_finds_what_it_writes_and_each_request_is_counted(store: ObjectStore) -> None:
    store.create("db/0000/1", b"0123456789")
    with pytest.raises(AlreadyExists):
        store.create("db/0000/1", b"other")
    assert store.get_range("db/0000/1", 3, 4) == b"3456"
    with pytest.raises(NotFound):
        store.get("db/0000/2")
    assert [one.key for one in store.list_objects("db/")] == ["db/0000/1"]
    assert store.list_directories("") == ["db"]
    asyncio.run(CONTROL._quiet())
    assert sum(one.up for one in CONTROL.asked) == 15
    assert next(one.down for one in CONTROL.asked if one.verb == "GET") == 4
    assert asked() == {"PUT": 2, "GET": 2, "LIST": 2}


def test_a_listing_has_a_thousand_keys_a_page(store: ObjectStore) -> None:
    for number in range(2001):
        CONTROL.s3.buckets["plain"].put(f"log/db/{number:05d}", Body(), "etag")
    CONTROL._asked()
    assert len(list(store.list_objects("db/"))) == 2001
    assert len(list(store.list_objects("db/", "db/01500"))) == 500
    assert asked() == {"LIST": 4}


def test_boto3_sends_and_takes_files_in_parts(s3, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "sent").write_bytes(bytes(range(256)) * 100_000)
    parts = TransferConfig(multipart_threshold=10_000_000, multipart_chunksize=10_000_000)
    s3.upload_file(str(tmp_path / "sent"), "plain", "file", Config=parts)
    s3.download_file("plain", "file", str(tmp_path / "taken"), Config=parts)
    assert (tmp_path / "taken").read_bytes() == (tmp_path / "sent").read_bytes()
    assert asked() == {"PUT": 5, "HEAD": 1, "GET": 3}


def test_conditions_are_held(s3) -> None:  # type: ignore[no-untyped-def]
    etag = s3.put_object(Bucket="plain", Key="a", Body=b"1")["ETag"]
    for refused in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(Bucket="plain", Key="a", Body=b"2", **refused)
    s3.put_object(Bucket="plain", Key="a", Body=b"3", IfMatch=etag)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.get_object(Bucket="plain", Key="a", IfMatch=etag)


def test_both_forms_of_listing_and_a_deletion_of_many(s3) -> None:  # type: ignore[no-untyped-def]
    for number in range(1500):
        CONTROL.s3.buckets["plain"].put(f"a/{number % 3}/{number}", Body(), "etag")
    keys = [
        each["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket="plain") for each in page["Contents"]
    ]
    assert len(keys) == 1500
    prefixes = s3.list_objects_v2(Bucket="plain", Prefix="a/", Delimiter="/")["CommonPrefixes"]
    assert [each["Prefix"] for each in prefixes] == ["a/0/", "a/1/", "a/2/"]
    s3.delete_objects(Bucket="plain", Delete={"Objects": [{"Key": key} for key in keys[:1000]]})
    assert s3.list_objects_v2(Bucket="plain")["KeyCount"] == 500


def test_a_version_that_is_replaced_is_gone(s3) -> None:  # type: ignore[no-untyped-def]
    CONTROL._version("versioned")
    first = s3.put_object(Bucket="versioned", Key="a", Body=b"1")["VersionId"]
    assert s3.get_object(Bucket="versioned", Key="a", VersionId=first)["Body"].read() == b"1"
    s3.put_object(Bucket="versioned", Key="a", Body=b"2")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="versioned", Key="a", VersionId=first)


def test_groups_have_one_name_each_in_any_case(url: str) -> None:
    CONTROL._clear()
    keys = {"aws_access_key_id": "boto", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    ec2 = boto3.client("ec2", endpoint_url=url, **keys)
    made = ec2.create_security_group(GroupName="Lock", Description="a lock", VpcId="vpc-1")["GroupId"]
    with pytest.raises(ClientError, match="Duplicate"):
        ec2.create_security_group(GroupName="LOCK", Description="a lock", VpcId="vpc-1")
    shown = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["Lock"]}])
    assert [each["GroupId"] for each in shown["SecurityGroups"]] == [made]
    ec2.delete_security_group(GroupId=made)
    with pytest.raises(ClientError, match="NotFound"):
        ec2.delete_security_group(GroupId=made)
    assert asked() == {"EC2": 5}
    ec2.close()
