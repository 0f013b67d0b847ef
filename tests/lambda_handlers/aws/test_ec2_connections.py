"""The connection to EC2 opened ahead: one for the first call, and no trace of it where it fails."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.aws import connections, ec2_connections
from lambda_handlers.aws.connections import Connections
from lambda_handlers.aws.ec2 import Ambiguous, Ec2Client
from lambda_handlers.aws.ec2_connections import connect_ahead
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.endpoints import Endpoint
from tests.fakes.aws.moto_server import free_port
from tests.fakes.network.certificates import Authority
from tests.fakes.waiting import wait_until

KEYS = Credentials("AKIDEXAMPLE", "secret")


class Server(ThreadingHTTPServer):
    """Answers each call, and counts connections."""

    daemon_threads = True

    def __init__(self, authority: Authority | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.opened = self.closed = 0
        self.accepted: list[Any] = []
        self._bundle = authority and str(authority.bundle)
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.issue("127.0.0.1"))
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.opened += 1
        self.accepted.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.closed += 1
        super().shutdown_request(request)

    @property
    def endpoint(self) -> Endpoint:
        scheme = "https" if self._bundle else "http"
        return Endpoint(f"{scheme}://127.0.0.1:{self.server_port}", ca_bundle=self._bundle)

    def environment(self, **more: str) -> dict[str, str]:
        trusted = {"AWS_CA_BUNDLE": self._bundle} if self._bundle else {}
        return {"SLDB_STORE": "s3://bucket", "AWS_ENDPOINT_URL_EC2": self.endpoint.url, **trusted, **more}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<DeleteSecurityGroupResponse/>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(ec2_connections, "_opened", {})
    with Server(Authority(tmp_path) if request.param == "tls" else None) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_first_call_has_the_connection_opened_ahead(server: Server) -> None:
    connect_ahead(server.environment())
    client = Ec2Client("eu-west-1", KEYS, server.endpoint)
    for _ in range(3):
        client.delete_security_group("sg-1")
    client.close()
    wait_until(lambda: server.closed == 1, "the end of the connection")
    assert server.opened == 1


@pytest.mark.parametrize("server", ["tls"], indirect=True)
def test_tickets_of_tls_are_no_end_of_a_connection(server: Server) -> None:
    connect_ahead(server.environment())
    client = Ec2Client("eu-west-1", KEYS, server.endpoint)
    client._connections._wait_for_ahead(30)
    ((connection, _),) = client._connections._idle
    wait_until(lambda: bool(select.select([connection.sock], [], [], 0)[0]), "the tickets after the handshake")
    client.delete_security_group("sg-1")
    assert server.opened == 1
    client.close()


def test_a_connection_that_was_closed_before_its_first_call_is_replaced(server: Server) -> None:
    """The bytes that wait in it are TLS's own, or its end."""
    connect_ahead(server.environment())
    client = Ec2Client("eu-west-1", KEYS, server.endpoint)
    client._connections._wait_for_ahead(30)
    wait_until(lambda: server.accepted, "the connection")
    for one in server.accepted:
        one.shutdown(socket.SHUT_RDWR)
    ((connection, _),) = client._connections._idle
    wait_until(lambda: connections._is_dropped(connection), "the end of the connection")
    client.delete_security_group("sg-1")
    assert server.opened == 2
    client.close()


def test_a_call_waits_for_the_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, straight = threading.Event(), socket.create_connection

    def held_up(*given: Any) -> socket.socket:
        assert goes_on.wait(30)
        return straight(*given)

    monkeypatch.setattr(socket, "create_connection", held_up)
    connect_ahead(server.environment())
    client = Ec2Client("eu-west-1", KEYS, server.endpoint)
    call = threading.Thread(target=client.delete_security_group, args=("sg-1",))
    call.start()
    wait_until(lambda: client._connections._ahead is None, "the call")
    goes_on.set()
    call.join()
    assert server.opened == 1
    client.close()


def test_one_client_alone_gets_it(server: Server) -> None:
    connect_ahead(server.environment())
    clients = [Ec2Client("eu-west-1", KEYS, server.endpoint) for _ in range(2)]
    for client in clients:
        client.delete_security_group("sg-1")
        client.close()
    assert server.opened == 2


def test_one_that_is_not_used_is_closed(server: Server) -> None:
    connect_ahead(server.environment())
    Ec2Client("eu-west-1", KEYS, server.endpoint).close()
    wait_until(lambda: server.closed == 1, "the end of the connection")
    assert server.opened == 1


@pytest.mark.parametrize(
    "more", [{"SLDB_LOCK": "s3"}, {"SLDB_LOCK": "none"}, {"SLDB_READ_ONLY": "true"}, {"SLDB_LOCK": "wrong"}]
)
def test_none_is_opened_for_another_lock(server: Server, more: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections, "open_ahead", lambda self: pytest.fail("it connects"))
    connect_ahead(server.environment(**more))
    assert ec2_connections._opened == {}


def test_a_failure_is_left_to_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_connections, "_opened", {})
    endpoint = Endpoint(f"http://127.0.0.1:{free_port()}")
    connect_ahead({"SLDB_STORE": "s3://bucket", "AWS_ENDPOINT_URL_EC2": endpoint.url})
    with pytest.raises(Ambiguous, match="Unreachable"):
        Ec2Client("eu-west-1", KEYS, endpoint).delete_security_group("sg-1")
