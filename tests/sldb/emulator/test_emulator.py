"""The emulator as a whole: its environment, its life, its command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sldb.emulator import running
from sldb.emulator.calls.function_config import ARCHITECTURE
from sldb.emulator.front.server import Emulator
from tests.fakes.terminal.command import COMMAND, environment
from tests.fakes.waiting import MAX_SECONDS


def run(*arguments: str, code: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """`sldb emulator ARGUMENTS -- python -c CODE`, in a process of its own."""
    command = ["--", sys.executable, "-c", code] if code else []
    line = [sys.executable, "-c", "from sldb.cli.main import main; main()", "emulator", *arguments, *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, **more)


def client(aws: Emulator, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the name is not a literal
        service, "us-east-1", endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s"
    )


def test_a_new_emulator_is_empty_and_an_old_one_is_gone() -> None:
    for _ in range(2):
        with Emulator() as aws:
            s3 = client(aws, "s3")
            assert s3.list_buckets()["Buckets"] == []
            s3.create_bucket(Bucket="bucket")
            root = aws._root
        assert not root.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.long
def test_what_a_killed_emulator_has_answered_is_there_again_at_the_same_port(tmp_path: Path) -> None:
    home = environment(tmp_path)
    line = [*COMMAND, "emulator", "--data", "data"]
    urls = []
    for run_number in range(2):
        process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=home, cwd=tmp_path)
        assert process.stdout is not None
        exports = list(iter(process.stdout.readline, f"export SLDB_ARCHITECTURE={ARCHITECTURE}\n"))
        asked = subprocess.run(
            [*COMMAND, "emulator", "env"], env=home, cwd=tmp_path, text=True, capture_output=True, check=False
        )
        assert asked.stdout.splitlines() == [*map(str.rstrip, exports), f"export SLDB_ARCHITECTURE={ARCHITECTURE}"]
        urls += [words[1] for each in exports if (words := each.rstrip().split("="))[0] == "export AWS_ENDPOINT_URL"]
        s3 = boto3.client("s3", "us-east-1", endpoint_url=urls[-1], aws_access_key_id="k", aws_secret_access_key="s")
        if run_number == 0:
            s3.create_bucket(Bucket="bucket")
            s3.put_object(Bucket="bucket", Key="k", Body=b"answered")
            process.kill()
        else:
            assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"answered"
            process.terminate()
        process.communicate()
    assert urls[0] == urls[1]
    asked = subprocess.run(
        [*COMMAND, "emulator", "env"], env=home, cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "no emulator runs" in asked.stderr


def test_one_at_a_time() -> None:
    with Emulator(), pytest.raises(RuntimeError, match="runs in this process already"):
        Emulator()
    Emulator().close()


def test_closing_ends_what_runs(wait: Any) -> None:
    from tests.sldb.emulator.conftest import Account

    with ThreadPoolExecutor(1) as threads:
        with Emulator() as aws:
            account = Account(aws)
            name = account.function("import time\ndef handler(event, context):\n    time.sleep(50)")
            account.client("lambda").invoke(FunctionName=name, InvocationType="Event")
            waiting = threads.submit(account.invoke, name)
            pids = wait(lambda: (found := [each.pid for each in aws.containers(name)]) and len(found) == 2 and found)
        assert "Runtime exited" in waiting.result()["errorMessage"]
    assert not any(pid is not None and _runs(pid) for pid in pids)


def test_port_that_is_taken() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Emulator(taken.getsockname()[1])
    with Emulator():
        pass  # the failure left nothing behind


def test_environment_of_a_command_has_nothing_of_the_user() -> None:
    with Emulator() as aws:
        mine = {"PATH": "/bin", "AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_S3": "https://x"}
        environment = aws.command_environment(mine)
        assert environment == {"PATH": "/bin", **aws.environment()}
        assert environment["AWS_ENDPOINT_URL"] == aws.url
        assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
        assert environment["SLDB_RUNTIME"] == f"python3.{sys.version_info.minor}"
        assert environment["SLDB_ARCHITECTURE"] in ("arm64", "x86_64")


def test_command_runs_with_it_and_gives_the_exit_status(tmp_path: Path) -> None:
    code = """
import os, sys, urllib.request, json
try:
    urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"])
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, os.environ.get("AWS_PROFILE")]))
sys.exit(7)
"""
    proxies = {"HTTP_PROXY": "http://127.0.0.1:1", "no_proxy": "example.org"}  # this machine is excepted from them
    done = run(code=code, env={**os.environ, "AWS_PROFILE": "work", **proxies})
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout) == [403, None]


USERS_AWS = {
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_CONFIG_FILE": "damaged",
    "AWS_SHARED_CREDENTIALS_FILE": "damaged",
    "AWS_REGION": "",
    "AWS_DEFAULT_REGION": "",
    "AWS_CA_BUNDLE": "missing",
    "AWS_DEFAULTS_MODE": "unknown",
    "AWS_MAX_ATTEMPTS": "many",
}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(tuple(USERS_AWS), id="all"),
        *(pytest.param((name,), id=name, marks=pytest.mark.long) for name in USERS_AWS),
    ],
)
def test_the_users_aws_does_not_matter(names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"[profile\n\xff = [\n= no\n")
    code = "import boto3; boto3.client('ec2').describe_security_groups(); boto3.client('cloudformation').list_stacks()"
    done = run(code=code, cwd=tmp_path, env={**os.environ, **{name: USERS_AWS[name] for name in names}})
    assert (done.returncode, done.stderr) == (0, "")


def test_the_users_aws_is_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
    before = dict(os.environ)
    with running.without_users_aws():
        names = {name for name in os.environ if name.startswith("AWS_")}
        assert names == {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"}
    assert dict(os.environ) == before


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_the_shell_that_reads_the_exports_forgets_the_users_aws() -> None:
    mine = {
        "PATH": os.environ["PATH"],
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ENDPOINT_URL_S3": "https://x",
    }
    emulated = {"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "a 'file'"}
    script = "\n".join([*running.export_lines(emulated, mine), "env"])
    done = subprocess.run(["sh", "-c", script], env=mine, capture_output=True, text=True, timeout=60, check=True)
    assert {line for line in done.stdout.splitlines() if line.startswith("AWS_")} == {
        "AWS_REGION=us-east-1",
        "AWS_CONFIG_FILE=a 'file'",
    }
    assert any("AWS_PROFILE" in line for line in running.export_lines(emulated, {}))  # the other shell's may differ


@pytest.mark.long
def test_command_ended_by_a_signal() -> None:
    assert run(code="import os; os.kill(os.getpid(), 9)").returncode == 128 + 9


@pytest.mark.long
def test_command_that_is_not_there() -> None:
    done = run("--", "no-such-command")
    assert done.returncode == 2
    assert "cannot run no-such-command" in done.stderr


def test_missing_extra_says_what_to_install() -> None:
    code = "import sys; sys.modules['moto'] = None; from sldb.cli.main import main; main(['emulator'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "pip install 'sldb[emulator]'" in done.stderr


def serve(directory: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", "from sldb.cli.main import main; main()", "emulator"]
    # What a killed emulator leaves behind is left there.
    environment = {**os.environ, "TMPDIR": str(directory)}
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals and exports")
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long), (signal.SIGKILL, -9)],
)
def test_serving_ends_with_its_containers(number: int, status: int, wait: Any, tmp_path: Path) -> None:
    process = serve(tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    exports = [""]
    while not exports[-1].startswith("export SLDB_ARCHITECTURE="):
        exports.append(process.stdout.readline().strip())
    assert "listens at http://127.0.0.1:" in process.stderr.readline()
    environment = dict(line.removeprefix("export ").split("=", 1) for line in exports if line.startswith("export "))
    pid = _deploy_and_invoke(environment)
    os.kill(pid, 0)
    process.send_signal(number)
    try:
        process.communicate(timeout=MAX_SECONDS)
    finally:
        process.kill()
    assert process.returncode == status
    wait(lambda: not _runs(pid))
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def _deploy_and_invoke(environment: dict[str, str]) -> int:
    """The process id of a container that has run."""
    from tests.sldb.emulator.conftest import TRUST, zipped

    def service(name: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]  # the name is not a literal
            name,
            environment["AWS_REGION"],
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="k",
            aws_secret_access_key="s",
        )

    role = service("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    service("lambda").create_function(
        FunctionName="f",
        Role=role,
        Runtime=environment["SLDB_RUNTIME"],
        Architectures=[environment["SLDB_ARCHITECTURE"]],
        Handler="main.handler",
        Code={"ZipFile": zipped({"main.py": "import os\ndef handler(e, c):\n    return os.getpid()"})},
    )
    return int(json.loads(service("lambda").invoke(FunctionName="f")["Payload"].read()))


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigterm_ends_the_command_too(wait: Any, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    line = [
        sys.executable,
        "-c",
        "from sldb.cli.main import main; main()",
        "emulator",
        "--",
        sys.executable,
        "-c",
        code,
    ]
    with subprocess.Popen(line) as process:
        wait(lambda: note.exists() and note.read_text())
        process.terminate()
        assert process.wait(timeout=MAX_SECONDS) == 128 + signal.SIGTERM
    assert not _runs(int(note.read_text()))


@pytest.mark.parametrize("region", ["mars-1", "us-east-9", "US-EAST-1"])
@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("s3", "list_buckets", {}, "AuthorizationHeaderMalformed"),
        ("lambda", "invoke", {"FunctionName": "f"}, "InvalidSignatureException"),
        ("lambda", "get_function", {"FunctionName": "f"}, "InvalidSignatureException"),
        ("events", "list_rules", {}, "InvalidSignatureException"),
        ("logs", "describe_log_groups", {}, "InvalidSignatureException"),
        ("cloudformation", "describe_stacks", {}, "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", {}, "SignatureDoesNotMatch"),
        ("sts", "get_caller_identity", {}, "SignatureDoesNotMatch"),
    ],
)
def test_a_region_that_there_is_not_is_refused(
    aws: Emulator,
    caplog: pytest.LogCaptureFixture,
    region: str,
    service: str,
    operation: str,
    arguments: Any,
    code: str,
) -> None:
    asked = boto3.client(  # type: ignore[call-overload]  # the name is not a literal
        service, region, endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s"
    )
    with pytest.raises(ClientError, match=region) as caught:
        getattr(asked, operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert not caplog.records  # no traceback


@pytest.mark.parametrize("region", ["cn-north-1", "eusc-de-east-1", "us-gov-west-1", "us-iso-east-1"])
def test_the_regions_of_other_partitions_are_regions(aws: Emulator, region: str) -> None:
    asked = boto3.client("ec2", region, endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s")
    assert asked.describe_vpcs()["Vpcs"]
