"""The trusted certificates for TLS: those of AWS first, then all."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.aws import trust
from lambda_handlers.aws.connections import Connections, Unreached
from lambda_handlers.shared.endpoints import Endpoint, is_aws_host
from tests.fakes.network.certificates import Authority

HOST = "ec2.eu-west-1.amazonaws.com"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def serving(certificate: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve TLS on loopback, and lead all connections there."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        straight = socket.create_connection

        def create_connection(_address: Any, seconds: float) -> socket.socket:
            return straight(("127.0.0.1", server.server_port), seconds)

        patch.setattr(socket, "create_connection", create_connection)
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of each context: whether it is for AWS alone."""
    made: list[str] = []

    def count(name: str) -> None:
        usual = getattr(trust, name)
        monkeypatch.setattr(trust, name, lambda *given: [made.append(name), usual(*given)][1])

    count("trusting")
    count("trusting_aws")
    return made


@pytest.mark.parametrize(
    ("host", "others", "name", "expected"),
    [
        (HOST, 3, "Amazon Root CA 1", ["trusting_aws"]),
        (HOST, 3, "A company", ["trusting_aws", "trusting"]),  # behind a proxy that nobody configured
        (HOST, 0, "A company", ["trusting_aws", "trusting"]),
        ("minio.example", 3, "Amazon Root CA 1", ["trusting"]),
    ],
)
def test_the_roots_of_aws_are_read_first_and_all_where_they_do_not_suffice(
    host: str,
    others: int,
    name: str,
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: list[str],
) -> None:
    for place in "abcdef"[: others + 2]:
        (tmp_path / place).mkdir()
    asked = Authority(tmp_path / "a", name)
    trusted = [asked, *(Authority(tmp_path / place, f"Amazon of old {place}") for place in "bcd"[:others])]
    bundle = tmp_path / "system.pem"
    bundle.write_bytes(b"# comment\n".join(one.bundle.read_bytes() for one in trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with serving(asked.issue(host), monkeypatch):
        connections = Connections(Endpoint(f"https://{host}"), 10.0)
        for _ in range(2):
            assert connections.send("GET", "/", b"", {}).status == 200
            connections.close()
    assert read == expected


def test_a_stranger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path / "ours", "Amazon Root CA 1").bundle))
    with (
        serving(Authority(tmp_path / "theirs", "Amazon Root CA 1").issue(HOST), monkeypatch),
        pytest.raises(Unreached, match="certificate verify failed"),
    ):
        Connections(Endpoint(f"https://{HOST}"), 10.0).send("GET", "/", b"", {})
    assert read == ["trusting_aws", "trusting"]


@given(st.binary(max_size=100))
def test_a_damaged_file_has_no_roots(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("trust") / "system.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + data + b"QW1hem9u\n-----END CERTIFICATE-----\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        assert trust.trusting_aws() is None


@pytest.mark.parametrize(
    "host", [HOST, "s3.cn-north-1.amazonaws.com.cn", "s3.us-iso-east-1.c2s.ic.gov", "ec2.eu.api.aws"]
)
def test_hosts_of_aws(host: str) -> None:
    assert is_aws_host(host)
    assert not is_aws_host(f"{host}.example")
    assert not is_aws_host("xamazonaws.com")
