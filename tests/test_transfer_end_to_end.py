"""push and pull through the deployed stack on the emulated AWS: straight to the bucket, and with no right but to invoke
the function."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from lambda_handlers.store.protocol import PART_BYTES
from sldb.cli.main import run as run_command
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.front.hooks import Proceed, ReplyLost
from sldb.emulator.front.server import Emulator
from tests.fakes.aws.emulated import emulated_aws, hooked, wheels_of
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.sqlite_files import Recipe
from tests.fakes.network.forward_proxy import ForwardProxy, serve_proxy

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(300)]

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A deployed stack, with the environment that leads to it."""
    with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as aws:
        assert run_command(["deploy"]) == 0
        yield aws


@pytest.fixture
def calls(aws: Emulator) -> Iterator[list[Call]]:
    """Of everybody, as they come."""
    seen: list[Call] = []

    def watch(call: Call, proceed: Proceed) -> Answer:
        seen.append(call)
        return proceed(call)

    with hooked(aws, watch):
        yield seen


_users = iter(range(1000))


@pytest.fixture
def act_as(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The rest of the test is done by somebody who may do this and nothing else."""

    def begin(*actions: str) -> None:
        iam = boto3.client("iam")
        name = f"user-{next(_users)}"
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
        }
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        credentials = aws._principals.mint(
            made["Role"]["Arn"], name, "arn:aws:lambda:us-east-1:123456789012:function:test", is_isolated=False
        )
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", credentials.session_token)

    return begin


INVOKE = ("lambda:InvokeFunction",)
BUCKET = (
    "lambda:GetFunctionConfiguration",
    "s3:ListBucket",
    "s3:GetObject",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteSecurityGroup",
    "ec2:DescribeSecurityGroups",
)
_names = iter(range(1000))


@pytest.fixture
def database() -> str:
    return f"db-{next(_names)}"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of several parts: what is in it does not compress."""
    path = tmp_path_factory.mktemp("files") / "large.db"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA page_size = 8192; CREATE TABLE t (id INTEGER PRIMARY KEY, body)")
    connection.executemany("INSERT INTO t (body) VALUES (?)", [(os.urandom(1 << 20),) for _ in range(20)])
    connection.commit()
    connection.close()
    assert path.stat().st_size > 2 * PART_BYTES
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.db"
    recipe = Recipe(512, False, "full", 200, 300, 30, True, True, True, False, 7, 1)
    sqlite_files.make(path, recipe).close()
    return path


def query(database: str, sql: str, capsys: Any) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run_command(["--database", database, "--format", "json", "query", sql]) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def by_function_alone(calls: list[Call]) -> bool:
    """Whether everything that was moved was moved by addresses."""
    moves = [call for call in calls if call.service == "s3" and "/uploads/" in call.path and call.action == "PutObject"]
    return bool(moves) and all("X-Amz-Signature" in call.query for call in moves)


@pytest.mark.parametrize("rights", [INVOKE, BUCKET], ids=["function", "bucket"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_file_goes_in_and_comes_out(aws, calls, act_as, database, rights, size, request, tmp_path, capsys):
    file, out = request.getfixturevalue(size), tmp_path / "out.db"
    act_as(*rights)
    assert run_command(["--database", database, "push", "--create", str(file)]) == 0, capsys.readouterr().err
    told = capsys.readouterr().err
    assert "txid 1" in told
    assert f"databases drop {database}" in told
    assert by_function_alone(calls) == (rights == INVOKE)
    assert run_command(["--database", database, "pull", str(out)]) == 0, capsys.readouterr().err
    assert sqlite_files.dump(out) == sqlite_files.dump(file)
    assert sqlite_files.pages(out) == sqlite_files.pages(file)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".pull")]


def test_what_the_function_moves_of_a_large_file(aws, calls, database, large, capsys):
    """The first and the last part; the bucket copies the others by itself."""
    assert run_command(["--database", database, "push", "--create", "--through", "function", str(large)]) == 0
    capsys.readouterr()
    commit = [call for call in calls if call.service == "s3" and "/0000/" in call.path]
    copied = [call for call in commit if call.action == "UploadPartCopy"]
    sent = sum(len(call.body) for call in commit)
    assert len(copied) == large.stat().st_size // PART_BYTES - 1
    assert sent < 2 * PART_BYTES + 100_000
    assert query(database, "SELECT count(*) AS n, sum(length(body)) AS b FROM t", capsys) == [{"n": 20, "b": 20 << 20}]


@pytest.mark.parametrize("through", ["function", "bucket"])
def test_a_push_goes_on_where_it_stopped(aws, calls, database, large, through, capsys):
    def stop(call: Call, proceed: Proceed) -> Answer:
        if "/uploads/" in call.path and call.action == "PutObject" and "/00001-" not in call.path:
            raise AwsError("AccessDenied", "not now", 403)
        return proceed(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sldb.push_pull.presigned.FIRST_PAUSE_SECONDS", 0.001)
        with hooked(aws, stop):
            assert run_command(["--database", database, "push", "--create", "--through", through, str(large)]) == 3
    assert "answered 403 Forbidden, AccessDenied" in capsys.readouterr().err
    assert run_command(["--database", database, "query", "SELECT 1"]) == 1  # there is no such database yet
    calls.clear()
    assert run_command(["--database", database, "push", "--create", "--through", through, str(large)]) == 0
    again = [call for call in calls if "/uploads/" in call.path and call.action == "PutObject"]
    assert len(again) == -(-large.stat().st_size // PART_BYTES) - 1


@pytest.mark.parametrize("through", ["function", "bucket"])
def test_a_pull_goes_on_where_it_stopped(aws, calls, database, large, through, tmp_path, capsys):
    assert run_command(["--database", database, "push", "--create", str(large)]) == 0
    out = tmp_path / "out.db"

    def stop(call: Call, proceed: Proceed) -> Answer:
        if call.action == "GetObject" and call.headers.get("range", "").startswith(f"bytes={PART_BYTES}-"):
            raise AwsError("InternalError", "not now", 400)
        return proceed(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sldb.push_pull.presigned.FIRST_PAUSE_SECONDS", 0.001)
        patch.setattr("sldb.push_pull.download.KEPT_SECONDS", 0.0)
        with hooked(aws, stop):
            assert run_command(["--database", database, "pull", "--through", through, str(out)]) == 3
    assert not out.exists()
    calls.clear()
    assert run_command(["--database", database, "pull", "--through", through, str(out)]) == 0
    first = [call for call in calls if call.headers.get("range", "").startswith("bytes=0-8388607")]
    assert first == []
    assert sqlite_files.dump(out) == sqlite_files.dump(large)


def test_an_answer_to_the_commit_that_is_lost(aws, database, small, capsys):
    """The function is asked again, and finds what it has done."""
    lost = []

    def lose(call: Call, proceed: Proceed) -> Answer:
        answer = proceed(call)
        if call.action == "Invoke" and b"push_commit" in call.body and not lost:
            lost.append(call)
            raise ReplyLost
        return answer

    with hooked(aws, lose):
        assert run_command(["--database", database, "push", "--create", "--through", "function", str(small)]) == 0
    assert lost
    capsys.readouterr()
    assert run_command(["--database", database, "--format", "json", "history"]) == 0
    assert [line["what"] if "what" in line else line["kind"] for line in json.loads(capsys.readouterr().out)] == [
        "push"
    ]


def test_rights_that_end_in_the_middle_lead_through_the_function(aws, calls, act_as, database, small, capsys):
    """Of the bucket, but not to the lock: the commit is the function's."""
    act_as(*INVOKE, *[right for right in BUCKET if not right.startswith("ec2:")])
    assert run_command(["--database", database, "push", "--create", str(small)]) == 0
    assert "through the function" in capsys.readouterr().err
    assert run_command(["--database", database, "push", "--create", "--through", "bucket", str(small)]) == 3


def test_somebody_without_rights_is_told(aws, act_as, database, small, tmp_path, capsys):
    act_as("s3:ListAllMyBuckets")
    assert run_command(["--database", database, "push", "--create", str(small)]) == 3
    assert "lambda:InvokeFunction" in capsys.readouterr().err
    assert run_command(["--database", database, "push", "--create", "--through", "bucket", str(small)]) == 3
    assert "GetFunctionConfiguration" in capsys.readouterr().err
    assert run_command(["--database", database, "pull", str(tmp_path / "out.db")]) == 3
    assert not (tmp_path / "out.db").exists()


def test_addresses_are_only_for_parts_and_files_of_the_log(aws, database):
    functions = boto3.client("lambda")

    def ask(action: str, **arguments: Any) -> int:
        event = {"action": action, "database": database, "arguments": arguments}
        answer = functions.invoke(FunctionName="test-db-function", Payload=json.dumps(event))
        return int(json.loads(answer["Payload"].read())["statusCode"])

    part = "00001-" + "0" * 32
    assert ask("push_urls", upload="0" * 16, parts=[part]) == 200
    for upload, name in (("../0000", part), ("0" * 16, "../../0000/x.ltx"), ("0" * 16, "head.json")):
        assert ask("push_urls", upload=upload, parts=[name]) == 400
    ltx = "0000/0000000000000001-0000000000000001.ltx"
    assert ask("pull_urls", files=[ltx]) == 200
    for name in ("../main/" + ltx, "lock.json", "uploads/x/y", ""):
        assert ask("pull_urls", files=[name]) == 400


@pytest.fixture
def proxy(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForwardProxy]:
    """AWS has a name that this machine does not know, and is reached by a proxy alone, which wants a password."""
    url = urlsplit(aws.url)
    with serve_proxy((str(url.hostname), int(url.port or 0))) as proxy:
        proxy.user = "me:p:w"
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://aws-of-tests:{url.port}")
        monkeypatch.setenv("HTTP_PROXY", proxy.url_for("me:p%3Aw"))
        boto3.DEFAULT_SESSION = None
        yield proxy


@pytest.mark.parametrize("way", ["bucket", "function"])
def test_all_of_it_goes_by_the_proxy(
    aws: Emulator, proxy: ForwardProxy, large: Path, database: str, tmp_path: Path, monkeypatch: Any, way: str
) -> None:
    if way == "function":  # which signs addresses of its own endpoint, that is excepted on this machine
        monkeypatch.delenv("NO_PROXY")
    out = tmp_path / "out.db"
    assert run_command(["--database", database, "push", str(large), "--create", "--through", way]) == 0
    assert run_command(["--database", database, "pull", str(out), "--through", way]) == 0
    assert out.read_bytes()[100:] == large.read_bytes()[100:]
    assert proxy.hosts == ({"aws-of-tests"} if way == "bucket" else {"aws-of-tests", "127.0.0.1"})


def test_where_the_bucket_cannot_be_reached_the_function_carries(
    aws: Emulator, small: Path, database: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    """The proxy lets Lambda through, and S3 not; the function has an endpoint that is reached directly."""
    url = urlsplit(aws.url)
    with serve_proxy((str(url.hostname), int(url.port or 0))) as proxy:
        proxy.refuses = 403
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://s3-of-tests:{url.port}")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        out = tmp_path / "out.db"
        assert run_command(["--database", database, "push", str(small), "--create"]) == 0
        assert run_command(["--database", database, "pull", str(out)]) == 0
    assert out.exists()
    assert capsys.readouterr().err.count("the bucket is not accessible with your own rights: through the function") == 2
    assert proxy.hosts == {"s3-of-tests"}
