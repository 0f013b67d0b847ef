"""Independent servers, each started on free ports of 127.0.0.1 and ended in any case.

They live in an environment of their own (`make interop`), away from ours: MiniStack and LocalStack want other versions
of botocore. SLDB_INTEROP is the directory of that environment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest

from lambda_handlers.settings import Credentials, Settings
from tests.fakes.aws.moto_server import free_port
from tests.fakes.waiting import wait_until

REGION = "us-east-1"
KEYS = Credentials("test", "test")  # those that MiniStack knows
HERE = Path(__file__).parent
START_SECONDS = 60
INTEROP = os.environ.get("SLDB_INTEROP", "")  # read here: an emulated AWS takes such variables out of this process


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    url: str

    def client(self, service: Any) -> Any:
        return boto3.client(
            service,
            REGION,
            endpoint_url=self.url,
            aws_access_key_id=KEYS.access_key_id,
            aws_secret_access_key=KEYS.secret_access_key,
        )

    def bucket(self) -> str:
        """Return the name of a new bucket."""
        client = self.client("s3")
        with suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            client.create_bucket(Bucket="interop")
        client.close()
        return "interop"

    def settings(self, prefix: str, lock: str = "none") -> Settings:
        return Settings(
            *(f"s3://{self.bucket()}/{prefix}", lock),
            region=REGION,
            endpoint_url=self.url,
            ec2_endpoint_url=self.url,
            credentials=KEYS,
            temp_dir=tempfile.gettempdir(),
        )

    def environment(self) -> dict[str, str]:
        """Return the environment of a program that is to use this server and no other."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEYS.access_key_id,
            "AWS_SECRET_ACCESS_KEY": KEYS.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SLDB_CONFIG": os.devnull,
        }


def installed(program: str) -> Path:
    """Skip the test if the environment lacks the program."""
    environment = Path(INTEROP).absolute()
    if not (environment / program).exists():
        pytest.skip(f"{program} is not in {environment}: it could not be installed on this system")
    return environment / program


@contextmanager
def ministack(directory: Path) -> Iterator[Server]:
    port = free_port()
    variables = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "TMPDIR": str(directory),
        "S3_PERSIST": "0",
    }
    with _running([installed("bin/ministack")], directory, variables, f"http://127.0.0.1:{port}") as url:
        yield Server("ministack", url)


@contextmanager
def seaweedfs(directory: Path) -> Iterator[Server]:
    """Run SeaweedFS with enforced signatures: only the users of its file are accepted."""
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    keys = {"accessKey": KEYS.access_key_id, "secretKey": KEYS.secret_access_key}
    identity = {"name": "interop", "credentials": [keys], "actions": actions}
    (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (directory / "data").mkdir()
    ports = {name: free_port() for name in ("s3.port", "master.port", "volume.port", "filer.port")}
    grpc = {f"{name}.grpc": free_port() for name in ports}
    options = {
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "dir": str(directory / "data"),
        "s3.config": str(directory / "s3.json"),
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "64",
        "volume.max": "100",
        "webdav": "false",
        **ports,
        **grpc,
    }
    command = [
        installed("bin/weed"),
        "-logtostderr=true",
        "server",
        "-s3",
        *(f"-{key}={value}" for key, value in options.items()),
    ]
    with _running(command, directory, {}, f"http://127.0.0.1:{ports['s3.port']}") as url:
        server = Server("seaweedfs", url)
        wait_until(lambda: _answers(server.bucket), "SeaweedFS makes a bucket", START_SECONDS)
        yield server


@contextmanager
def localstack(directory: Path) -> Iterator[Server]:
    port = free_port()
    variables = {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SERVICES": "s3",
        "EAGER_SERVICE_LOADING": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "FILESYSTEM_ROOT": str(directory / "root"),
        "TMPDIR": str(directory),
        "HOME": str(directory),
    }
    command = [installed("localstack/bin/python"), HERE / "localstack_runner.py"]
    with _running(command, directory, variables, f"http://127.0.0.1:{port}/_localstack/health") as health:
        yield Server("localstack", health.removesuffix("/_localstack/health"))


@contextmanager
def rclone(directory: Path) -> Iterator[Server]:
    """It ignores conditions."""
    port = free_port()
    (directory / "data").mkdir()
    keys = f"{KEYS.access_key_id},{KEYS.secret_access_key}"
    command = [
        installed("bin/rclone"),
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        keys,
        directory / "data",
    ]
    with _running(command, directory, {"HOME": str(directory)}, f"http://127.0.0.1:{port}") as url:
        yield Server("rclone", url)


SERVERS: Mapping[str, Callable[[Path], object]] = {
    "ministack": ministack,
    "seaweedfs": seaweedfs,
    "localstack": localstack,
}


@contextmanager
def _running(command: Sequence[object], directory: Path, variables: Mapping[str, str], url: str) -> Iterator[str]:
    """Run a process and its children; yield once it answers at the URL."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            env={**kept, **variables},
            start_new_session=True,
        )
    try:
        wait_until(lambda: _listens(process, directory, url), f"{command[0]} answers at {url}", START_SECONDS)
        yield url
    finally:
        _end(process)


def _listens(process: subprocess.Popen[bytes], directory: Path, url: str) -> bool:
    if process.poll() is not None:
        pytest.fail(f"the server ended: {(directory / 'log').read_text(errors='replace')[-2000:]}")
    return _answers(lambda: urlopen(url, timeout=5).close())


def _answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except HTTPError as error:
        return error.code < 500
    except Exception:  # noqa: BLE001 - whatever it is: it does not answer yet
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        if kind == signal.SIGKILL:
            return
