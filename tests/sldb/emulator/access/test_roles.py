"""What the roles and the bucket policy of the real template let each function do to each kind of object."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambda_handlers.access.callers import KEY as ACCESS
from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.storage.log.keys import cancel_key, stream_key, transactions_key
from lambda_handlers.store.conditional_writes import PROBE_KEY
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import PART_BYTES, AlreadyExists, CopyOf, NotFound, ObjectStore, Refused, StoreError
from lambda_handlers.wire import SldbError
from sldb.deploy.template import template_text
from sldb.emulator.access import iam
from sldb.emulator.front.server import Emulator
from tests.fakes.aws.cloudformation import template_in_s3
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import run
from tests.fakes.stores.s3 import plain_s3
from tests.sldb.emulator.conftest import zipped

LTX = "main/0000/0000000000000001-0000000000000001.ltx"
PAGE_MAP = "main/0000/0000000000000001-0000000000000001.pages"
PROGRESS = "main/0000/0000000000000001-0000000000000001.part.pages"
HEAD, LEASE, UPLOAD, LOCK = "main/head.json", "main/maintenance.json", "main/uploads/u/1", "_locks/main/lock.json"
ATLAS, REPLY, STREAM = "main/atlas", "_replies/0123456789abcdef", stream_key("0" * 64)
KEY, MARKS = transactions_key(), cancel_key("0" * 32)
EVERY_KIND = (LTX, PAGE_MAP, PROGRESS, HEAD, ATLAS, LEASE, UPLOAD, LOCK, REPLY, STREAM, MARKS, PROBE_KEY, "notes.txt")
# What each function may write over if it says which version it has seen, and what it may put blindly.
SEEN = {"QueryRole": {HEAD, LOCK, MARKS, PROBE_KEY}, "DeadlockFixRole": {HEAD, LOCK, LEASE, PROBE_KEY}}
READER_CREATES = (REPLY, STREAM)
PUT = {"QueryRole": {UPLOAD}, "DeadlockFixRole": {ATLAS, PROGRESS}}
BUNDLES = "bundles"


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    with Emulator(minute_seconds=3600) as emulator:  # the schedule has nothing to do here
        yield emulator


@dataclass(frozen=True, slots=True)
class Stack:
    aws: Emulator
    bucket: str
    roles: dict[str, str]  # logical name → ARN
    owner: Any

    def settings(self, role: str) -> Settings:
        """As the function with this role has them."""
        made = self.aws._principals.mint(
            self.roles[role], "test", "arn:aws:lambda:us-east-1:123456789012:function:test", is_isolated=False
        )
        return Settings(
            f"s3://{self.bucket}/databases",
            endpoint_url=self.aws.url,
            credentials=Credentials(made.access_key_id, made.secret_access_key, made.session_token),
        )

    def client(self, role: str) -> Any:
        credentials = self.settings(role).credentials
        assert credentials
        return boto3.client(
            "s3",
            "us-east-1",
            endpoint_url=self.aws.url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def keys(self) -> set[str]:
        listed = self.owner.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {entry["Key"].removeprefix("databases/") for entry in listed}


@pytest.fixture(scope="module")
def stack(aws: Emulator, account: Any) -> Stack:
    s3, cloudformation = account.client("s3"), account.client("cloudformation")
    s3.create_bucket(Bucket=BUNDLES)
    s3.put_object(Bucket=BUNDLES, Key="code.zip", Body=zipped({"main.py": "def handler(*_): pass"}))
    environment = aws.environment()
    values = {
        "BundleBucket": BUNDLES,
        "BundleKey": "code.zip",
        "Runtime": environment["SLDB_RUNTIME"],
        "Architecture": environment["SLDB_ARCHITECTURE"],
        "Readers": "true",
    }
    cloudformation.create_stack(
        StackName="test-db",
        **template_in_s3(account.client("s3"), template_text(), BUNDLES),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="test-db", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    made = cloudformation.describe_stack_resources(StackName="test-db")["StackResources"]
    names = {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in made}
    iam = account.client("iam")
    roles = {
        role: iam.get_role(RoleName=names[role])["Role"]["Arn"] for role in ("QueryRole", "DeadlockFixRole", "ReadRole")
    }
    return Stack(aws, names["DataBucket"], roles, s3)


@pytest.fixture
def clean(stack: Stack) -> Iterator[Stack]:
    yield stack
    for entry in stack.owner.list_objects_v2(Bucket=stack.bucket).get("Contents", []):
        stack.owner.delete_object(Bucket=stack.bucket, Key=entry["Key"])
    assert stack.owner.list_multipart_uploads(Bucket=stack.bucket).get("Uploads", []) == []


@pytest.fixture(params=["QueryRole", "DeadlockFixRole"])
def store(clean: Stack, request: pytest.FixtureRequest) -> ObjectStore:
    """Of either function."""
    return plain_s3(clean.settings(request.param))


@pytest.mark.long
def test_either_function_makes_and_copies_large_objects(store: ObjectStore) -> None:
    chunk = bytes(range(256)) * 4096
    store.create_from(LTX, [chunk] * 17)
    store.assemble("copy/0000/1.ltx", [CopyOf(LTX, 0, 17 << 20)])
    store.create_from("small.ltx", [b"x"])

    assert store.get("copy/0000/1.ltx") == chunk * 17
    assert store.size(LTX) == 17 << 20
    for again in (
        lambda: store.create_from(LTX, [b"x" * PART_BYTES, b"x"]),
        lambda: store.create_from(LTX, [b"x"]),
        lambda: store.assemble(LTX, [CopyOf("small.ltx", 0, 1)]),
        lambda: store.create(LTX, b"x"),
    ):
        with pytest.raises(AlreadyExists):
            again()
    assert store.size(LTX) == 17 << 20


def test_either_function_aborts_what_fails(store: ObjectStore) -> None:
    """The fixture sees that no upload is left."""

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * PART_BYTES] * 3
        raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):
        store.create_from(LTX, pieces())
    with pytest.raises(NotFound):
        store.assemble(LTX, [b"x" * PART_BYTES, CopyOf("none.ltx", 0, 10)])
    with pytest.raises(NotFound):
        store.get(LTX)


@pytest.mark.parametrize("key", EVERY_KIND)
@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_each_function_overwrites_what_it_must_and_nothing_else(clean: Stack, role: str, key: str) -> None:
    store = plain_s3(clean.settings(role))
    etag = store.create(key, b"created")
    assert store.list_directories("") == ([] if "/" not in key else [key.partition("/")[0]])
    allowed: dict[Callable[[], object], bool] = {
        lambda: store.replace(key, b"replaced", etag): key in SEEN[role] | PUT[role],
        lambda: store.put(key, b"put"): key in PUT[role],
    }
    for write, may in allowed.items():
        if may:
            write()
        else:
            with pytest.raises(Refused, match="AccessDenied"):
                write()

    want = b"put" if key in PUT[role] else b"replaced" if key in SEEN[role] else b"created"
    assert store.get(key) == want


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_neither_function_reaches_beside_the_databases(clean: Stack, role: str) -> None:
    clean.owner.put_object(Bucket=clean.bucket, Key="doctor/theirs", Body=b"x")
    outside = plain_s3(replace(clean.settings(role), store=f"s3://{clean.bucket}/doctor"))
    s3 = clean.client(role)
    asks: tuple[Callable[[], object], ...] = (
        lambda: outside.get("theirs"),
        lambda: outside.get("nothing"),
        lambda: outside.create("mine", b"x"),
        lambda: outside.create_from("mine", [b"x" * PART_BYTES, b"x"]),
        lambda: list(outside.list_objects("")),
        lambda: s3.list_objects_v2(Bucket=clean.bucket, Prefix="database"),
    )
    for ask in asks:
        with pytest.raises((StoreError, ClientError), match=r"AccessDenied|not authorized"):
            ask()
    s3.close()


@pytest.mark.parametrize("key_is_prefix", [True, False])
@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_what_is_not_there_is_not_found_and_not_forbidden(
    clean: Stack, role: str, key_is_prefix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every warm read rests on it: S3 tells it only to those who may list, and a listing has a prefix. Whether S3 takes
    the key for one when it asks itself that is not documented: both ways must do."""
    store = plain_s3(clean.settings(role))
    if not key_is_prefix:
        monkeypatch.setattr(iam, "condition_of_existence_check", lambda _key: {})
    for ask in (lambda: store.get(LTX), lambda: store.size(LTX), lambda: store.get_range("new/head.json", 0, 1)):
        with pytest.raises(NotFound):
            ask()


def test_a_container_probes_and_writes_with_its_role(clean: Stack) -> None:
    for role in SEEN:
        open_store(clean.settings(role)).create(f"{role}/0000/1.ltx", b"x")


def test_neither_function_writes_over_a_commit(store: ObjectStore) -> None:
    etag = store.create(LTX, b"first")
    for write in (lambda: store.put(LTX, b"second"), lambda: store.replace(LTX, b"second", etag)):
        with pytest.raises(Refused):
            write()

    assert store.get(LTX) == b"first"


@pytest.mark.parametrize("role", ["QueryRole", "DeadlockFixRole"])
def test_nor_completes_an_upload_of_one_without_a_condition(clean: Stack, role: str) -> None:
    s3 = clean.client(role)
    where = {"Bucket": clean.bucket, "Key": f"databases/{LTX}"}
    upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]}
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    s3.abort_multipart_upload(**upload)
    s3.put_object(Bucket=clean.bucket, Key="databases/source", Body=b"x", IfNoneMatch="*")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.copy_object(**where, CopySource=f"{clean.bucket}/databases/source")
    s3.close()

    assert clean.keys() == {"source"}


@pytest.mark.parametrize("key", EVERY_KIND)
def test_the_query_function_deletes_nothing(clean: Stack, key: str) -> None:
    store = plain_s3(clean.settings("QueryRole"))
    store.create(key, b"x")
    deletes: tuple[Callable[[], None], ...] = (lambda: store.delete(key), lambda: store.delete_many([key]))
    for delete in deletes:
        with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
            delete()

    assert clean.keys() == {key}


def test_the_deadlock_fix_function_deletes_what_ages_and_nothing_else(clean: Stack) -> None:
    store = plain_s3(clean.settings("DeadlockFixRole"))
    for key in EVERY_KIND:
        store.create(key, b"x")
    store.delete_many([LTX, PAGE_MAP, PROGRESS])
    store.delete(UPLOAD)
    store.delete(LOCK)
    stays = {HEAD, ATLAS, LEASE, REPLY, STREAM, MARKS, PROBE_KEY, "notes.txt"}
    for key in stays:
        with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
            store.delete(key)

    assert clean.keys() == stays


def test_the_query_function_creates_the_key_of_tokens_and_cannot_change_it(clean: Stack) -> None:
    store = plain_s3(clean.settings("QueryRole"))
    with pytest.raises(NotFound):
        store.get(KEY)
    etag = store.create(KEY, b"secret")
    with pytest.raises(AlreadyExists):
        store.create(KEY, b"another")
    for change in (
        lambda: store.put(KEY, b"another"),
        lambda: store.replace(KEY, b"another", etag),
        lambda: store.delete(KEY),
    ):
        with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
            change()

    assert store.get(KEY) == b"secret"


def test_the_scheduled_function_does_not_reach_the_key_of_tokens(clean: Stack) -> None:
    store = plain_s3(clean.settings("DeadlockFixRole"))
    for is_there in (False, True):
        for ask in _asks(store):
            with pytest.raises(StoreError, match=r"AccessDenied|not authorized|403"):
                ask()
        if not is_there:
            plain_s3(clean.settings("QueryRole")).create(KEY, b"secret")

    assert clean.keys() == {KEY}


def test_the_functions_change_nothing_in_the_access_document(clean: Stack) -> None:
    clean.owner.put_object(Bucket=clean.bucket, Key=f"databases/{ACCESS}", Body=b"rights")
    query = plain_s3(clean.settings("QueryRole"))
    assert query.get(ACCESS) == b"rights"
    etag = f'"{hashlib.md5(b"rights", usedforsecurity=False).hexdigest()}"'
    for role in clean.roles:
        store = plain_s3(clean.settings(role))
        changes: tuple[Callable[[ObjectStore], object], ...] = (
            lambda store: store.replace(ACCESS, b"more", etag),
            lambda store: store.put(ACCESS, b"more"),
            lambda store: store.delete(ACCESS),
            lambda store: store.create("_access/new", b"more"),
            lambda store: store.create_from("_access/new", [b"x" * PART_BYTES, b"x"]),
        )
        for change in changes:
            with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
                change(store)
    with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
        plain_s3(clean.settings("DeadlockFixRole")).get(ACCESS)

    assert query.get(ACCESS) == b"rights"
    assert clean.keys() == {ACCESS}


def _asks(store: ObjectStore) -> tuple[Callable[[], object], ...]:
    """Requests for the key of tokens."""
    return (
        lambda: store.get(KEY),
        lambda: store.get_range(KEY, 0, 1),
        lambda: store.size(KEY),
        lambda: store.create(KEY, b"theirs"),
        lambda: store.put(KEY, b"theirs"),
        lambda: store.delete(KEY),
        lambda: store.assemble("copy", [CopyOf(KEY, 0, 6)]),
    )


RIGHTS = {
    "of the account's owner": None,
    "all of S3": ["s3:*"],
    # docs/transfer.md, for --via bucket
    "to push and pull": ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
}


@pytest.mark.parametrize("rights", RIGHTS)
def test_no_other_rights_reach_the_key_of_tokens(clean: Stack, account: Any, rights: str) -> None:
    """Who may delete it can invalidate all tokens, and can forge none."""
    plain_s3(clean.settings("QueryRole")).create(KEY, b"secret")
    allowed = RIGHTS[rights]
    with _client_with(clean, account, allowed) as s3:
        where: dict[str, Any] = {"Bucket": clean.bucket, "Key": f"databases/{KEY}"}
        copy = {"Bucket": clean.bucket, "Key": "databases/copy", "CopySource": f"{clean.bucket}/databases/{KEY}"}
        s3.list_objects_v2(Bucket=clean.bucket, Prefix="databases/")
        for ask in (
            lambda: s3.get_object(**where),
            lambda: s3.head_object(**where),
            lambda: s3.put_object(**where, Body=b"theirs"),
            lambda: s3.put_object(**where, Body=b"theirs", IfNoneMatch="*"),
            lambda: s3.copy_object(**copy, IfNoneMatch="*"),
        ):
            with pytest.raises(ClientError, match=r"AccessDenied|Forbidden|403"):
                ask()
        if allowed is None or "s3:*" in allowed:
            s3.delete_object(**where)
            with pytest.raises(ClientError, match=r"AccessDenied"):
                s3.put_object(**where, Body=b"theirs", IfNoneMatch="*")

    assert plain_s3(clean.settings("QueryRole")).create("new", b"") is not None


@contextmanager
def _client_with(stack: Stack, account: Any, allowed: list[str] | None) -> Iterator[Any]:
    """A client with these rights on everything; None: the account's owner."""
    if allowed is None:
        yield stack.owner
        return
    iam = account.client("iam")
    version = {"Version": "2012-10-17"}
    trust = {**version, "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {**version, "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    iam.put_role_policy(RoleName="theirs", PolicyName="all", PolicyDocument=json.dumps(document))
    client = replace(stack, roles={**stack.roles, "theirs": role}).client("theirs")
    try:
        yield client
    finally:
        client.close()
        iam.delete_role_policy(RoleName="theirs", PolicyName="all")
        iam.delete_role(RoleName="theirs")


# The function that only reads


@pytest.mark.parametrize("key", EVERY_KIND)
def test_the_function_that_only_reads_reads_all_and_creates_two_kinds(clean: Stack, key: str) -> None:
    store, query = plain_s3(clean.settings("ReadRole")), plain_s3(clean.settings("QueryRole"))
    with pytest.raises(NotFound):
        store.get(key)
    if key in READER_CREATES:
        store.create(key, b"created")
        with pytest.raises(AlreadyExists):
            store.create(key, b"again")
    else:
        for create in (lambda: store.create(key, b"x"), lambda: store.create_from(key, [b"x" * PART_BYTES, b"x"])):
            with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
                create()
        query.create(key, b"created")
    etag = query.get_with_tag(key)[1]
    for change in (
        lambda: store.put(key, b"changed"),
        lambda: store.replace(key, b"changed", etag),
        lambda: store.delete(key),
        lambda: store.delete_many([key]),
        lambda: store.assemble("copy", [CopyOf(key, 0, 7)]),
    ):
        with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
            change()
    assert store.get(key) == b"created"


@pytest.mark.long
def test_the_function_that_only_reads_creates_a_large_reply_in_parts(clean: Stack) -> None:
    store = plain_s3(clean.settings("ReadRole"))
    chunk = bytes(range(256)) * 4096
    store.create_from(REPLY, [chunk] * 17)
    assert store.size(REPLY) == 17 << 20

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * PART_BYTES] * 3
        raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):  # the fixture sees that no upload is left
        store.create_from(REPLY + "b", pieces())


def test_the_function_that_only_reads_has_the_key_of_tokens_and_cannot_make_it(clean: Stack) -> None:
    store = plain_s3(clean.settings("ReadRole"))
    with pytest.raises(NotFound):
        store.get(KEY)
    with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
        store.create(KEY, b"mine")
    plain_s3(clean.settings("QueryRole")).create(KEY, b"secret")
    assert store.get(KEY) == b"secret"


def test_the_function_that_only_reads_works_with_its_role(clean: Stack) -> None:
    common = {"lock": "none", "log_level": "error", "temp_dir": tempfile.gettempdir(), "reply_limit_bytes": 100_000}
    rows = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT x FROM c"
    with (
        closing(Service(replace(clean.settings("QueryRole"), **common))) as writer,
        closing(Service(replace(clean.settings("ReadRole"), **common, read_only=True))) as reader,
    ):
        run(writer, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        with pytest.raises(SldbError, match="has no key yet"):
            Interactive(reader)
        Interactive(writer).rollback()
        client = Interactive(reader)
        assert client.rows("SELECT a FROM t") == [(1,)]
        client.commit()
        reply = run(reader, rows)
        assert reply.results[0].stored is not None
        with pytest.raises(SldbError) as caught:
            run(reader, "INSERT INTO t VALUES (2)")
        assert caught.value.code == "read_only"


def test_neither_function_sees_another_bucket(clean: Stack) -> None:
    for role in clean.roles:
        elsewhere = plain_s3(replace(clean.settings(role), store=f"s3://{BUNDLES}/databases"))
        for ask in (
            lambda store=elsewhere: store.get("x"),
            lambda store=elsewhere: store.create("x", b""),
            lambda store=elsewhere: store.create_from("x", [b"x" * PART_BYTES, b"x"]),
            lambda store=elsewhere: list(store.list_objects("")),
        ):
            with pytest.raises(StoreError, match=r"AccessDenied|not authorized"):
                ask()


def test_a_bucket_that_is_gone_is_no_state_without_new_transactions(clean: Stack) -> None:
    """A warm container has all pages; what it asks for is the next transaction, and that is not what is missing."""
    settings = replace(clean.settings("QueryRole"), lock="none", log_level="error", temp_dir=tempfile.gettempdir())
    with closing(Service(settings)) as service:
        run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        assert run(service, "SELECT a FROM t").rows == [(1,)]
        for entry in clean.owner.list_objects_v2(Bucket=clean.bucket)["Contents"]:
            clean.owner.delete_object(Bucket=clean.bucket, Key=entry["Key"])
        clean.owner.delete_bucket(Bucket=clean.bucket)
        try:
            for query in ("SELECT 1", "SELECT a FROM t", "INSERT INTO t VALUES (2)"):
                with pytest.raises(SldbError, match="there is no such bucket") as caught:
                    run(service, query)
                assert caught.value.code == "store_error"
        finally:
            clean.owner.create_bucket(Bucket=clean.bucket)
