from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.aws import connections, ec2
from lambda_handlers.aws.ec2 import Ambiguous, Duplicate, Ec2Client, NotFound, Refused, Throttled
from lambda_handlers.aws.sigv4 import sign
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.endpoints import Endpoint
from lambda_handlers.store_clock import StoreClock
from tests.fakes.aws.moto_server import REGION, Aws, free_port, serve_aws
from tests.fakes.clock import Clock
from tests.fakes.waiting import wait_until

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token/+=")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40)
TAGS = st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=5)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with serve_aws() as served:
        yield served


@pytest.fixture
def client(aws: Aws) -> Iterator[Ec2Client]:
    client = Ec2Client(REGION, KEYS, Endpoint(aws.url))
    yield client
    client.close()
    aws.after = None


@pytest.fixture
def vpc(request: pytest.FixtureRequest) -> str:
    return f"vpc-{abs(hash(request.node.name)):017x}"[:21]


class TestSignature:
    @given(
        body=st.binary(max_size=200),
        path=st.sampled_from(["/", "/ec2", "/a b/~x", "/ü"]),
        host=st.sampled_from(["ec2.us-east-1.amazonaws.com", "127.0.0.1:5000", "localhost"]),
        region=st.sampled_from(["us-east-1", "cn-north-1", "eu-central-1"]),
        secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
        token=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
        now=st.integers(0, 4_000_000_000),
    )
    def test_is_the_one_that_botocore_makes(
        self, *, body: bytes, path: str, host: str, region: str, secret: str, token: str | None, now: int
    ) -> None:
        headers = {"content-type": ec2.CONTENT_TYPE, "host": host}
        credentials = Credentials("AKID", secret, token)
        sign(headers, body, service="ec2", path=path, region=region, credentials=credentials, now=now)
        assert headers["authorization"] == botocore_signature(headers, body, f"https://{host}{path}", region, secret)

    @given(name=TEXT, description=TEXT, vpc_id=TEXT, tags=TAGS)
    def test_create_has_the_form_that_botocore_sends(
        self, name: str, description: str, vpc_id: str, tags: dict[str, str]
    ) -> None:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        form = botocore_form(
            "CreateSecurityGroup",
            GroupName=name,
            Description=description,
            VpcId=vpc_id,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": listed}],
        )
        assert dict(ec2.create_parameters(name, description, vpc_id, tags)) == form

    @given(filters=TAGS, token=st.none() | TEXT.filter(bool))
    def test_describe_has_the_form_that_botocore_sends(self, filters: dict[str, str], token: str | None) -> None:
        listed = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        extra = {"NextToken": token} if token else {}
        form = botocore_form("DescribeSecurityGroups", Filters=listed, **extra)
        assert dict(ec2.describe_parameters(filters, token)) == form


class TestCallsOnMoto:
    def test_a_group_lives_and_dies(self, client: Ec2Client, vpc: str) -> None:
        tags = {"Owner": "abc", "sldb:doing": "INSERT a/b & <c>"}
        group_id = client.create_security_group("sldb-lock-a", "what for", vpc, tags)
        assert client.describe_security_groups({"group-name": "sldb-lock-a", "vpc-id": vpc}) == [
            ec2.SecurityGroup(group_id, "sldb-lock-a", tags)
        ]
        client.delete_security_group(group_id)
        assert client.describe_security_groups({"group-name": "sldb-lock-a", "vpc-id": vpc}) == []

    def test_second_create_is_a_duplicate(self, client: Ec2Client, vpc: str) -> None:
        client.create_security_group("name", "text", vpc, {"a": "b"})
        with pytest.raises(Duplicate, match="already exists"):
            client.create_security_group("name", "text", vpc, {"a": "b"})

    def test_the_same_name_in_another_vpc_is_none(self, client: Ec2Client, vpc: str) -> None:
        client.create_security_group("name", "text", vpc, {"a": "b"})
        client.create_security_group("name", "text", vpc + "0", {"a": "b"})

    def test_delete_of_an_absent_group(self, client: Ec2Client) -> None:
        with pytest.raises(NotFound) as caught:
            client.delete_security_group("sg-00000000000000000")
        assert caught.value.code == "InvalidGroup.NotFound"

    def test_eight_threads(self, client: Ec2Client, vpc: str) -> None:
        won: list[str] = []

        def create() -> None:
            try:
                won.append(client.create_security_group("one", "text", vpc, {"a": "b"}))
            except Duplicate:
                return

        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1


def error_xml(code: str, message: str = "Because.") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        f"<Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>1</RequestID></Response>"
    ).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("503 Service Unavailable", error_xml("RequestLimitExceeded"), Throttled),
        ("400 Bad Request", error_xml("Throttling"), Throttled),
        ("429 Too Many Requests", b"", Throttled),
        ("403 Forbidden", error_xml("UnauthorizedOperation"), Refused),
        ("400 Bad Request", error_xml("DependencyViolation"), Refused),
        ("404 Not Found", b"<html><p>no XML", Refused),
        ("400 Bad Request", error_xml("InvalidGroup.Duplicate"), Duplicate),
        ("400 Bad Request", error_xml("InvalidGroupId.Malformed"), NotFound),
        ("500 Internal Server Error", error_xml("InternalError"), Ambiguous),
        ("503 Service Unavailable", error_xml("Unavailable"), Ambiguous),
        ("502 Bad Gateway", b"<html>", Ambiguous),
        ("200 OK", b"<CreateSecurityGroupResponse>", Ambiguous),
        ("200 OK", b"<CreateSecurityGroupResponse/>", Ambiguous),
    ],
)
def test_answers_become_typed_errors(
    *, aws: Aws, client: Ec2Client, vpc: str, status: str, body: bytes, kind: type[Exception]
) -> None:
    aws.after = lambda *_: (status, body)
    with pytest.raises(ec2.Ec2Error) as caught:
        client.create_security_group("name", "text", vpc, {"a": "b"})
    assert type(caught.value) is kind


def test_describe_reads_every_page(aws: Aws, client: Ec2Client) -> None:
    page = (
        '<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><securityGroupInfo>'
        "<item><groupId>{0}</groupId><groupName>{0}</groupName><tagSet/></item></securityGroupInfo>{1}"
        "</DescribeSecurityGroupsResponse>"
    )

    def answer(request: bytes, status: str, body: bytes) -> tuple[str, bytes]:
        if b"NextToken=two" in request:
            return "200 OK", page.format("sg-2", "").encode()
        return "200 OK", page.format("sg-1", "<nextToken>two</nextToken>").encode()

    aws.after = answer
    assert [group.group_id for group in client.describe_security_groups({})] == ["sg-1", "sg-2"]


@pytest.mark.parametrize("wrong", [-90.0, 0.0, 90.0, 94_608_000.0])
def test_its_answers_tell_the_time(aws: Aws, wrong: float) -> None:
    """Refusals too."""
    clock = StoreClock()
    client = Ec2Client(REGION, KEYS, Endpoint(aws.url), lambda: time.time() + wrong, clock)
    with pytest.raises(NotFound):
        client.delete_security_group("sg-0123456789abcdef0")
    now = time.time()
    assert now <= clock.latest(now + wrong) < now + 10
    assert clock.corrected(now + wrong) == (clock.latest(now + wrong) if wrong > 60 else now + wrong)
    client.close()


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 99:99:99 GMT"])
def test_a_date_that_is_none_tells_nothing(date: str) -> None:
    clock = StoreClock()
    Ec2Client(REGION, KEYS, Endpoint("http://127.0.0.1:1"), clock=clock)._note_time(date, 5.0)
    assert clock.latest(5.0) is None


class TestNoAnswer:
    def test_nobody_listens(self) -> None:
        with pytest.raises(Ambiguous, match="Unreachable"):
            Ec2Client(REGION, KEYS, Endpoint(f"http://127.0.0.1:{free_port()}")).delete_security_group("sg-1")

    def test_silence_ends_with_the_time_out(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = Ec2Client(REGION, KEYS, Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}"))
            with pytest.raises(Ambiguous, match="timed out"):
                client.delete_security_group("sg-1", timeout=0.05)

    def test_a_connection_that_is_cut(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def cut() -> None:
                connection, _ = server.accept()
                connection.recv(10)
                connection.close()

            thread = threading.Thread(target=cut)
            thread.start()
            with pytest.raises(Ambiguous, match="NoAnswer"):
                Ec2Client(REGION, KEYS, Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}")).delete_security_group(
                    "sg-1"
                )
            thread.join()


class KeepAliveServer(ThreadingHTTPServer):
    """Answers every call, and keeps its connections open for so many answers."""

    def __init__(self, answers_per_connection: int) -> None:
        self.connections = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                server.connections += 1
                self.answers = 0

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                body = b"<DeleteSecurityGroupResponse/>"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.answers += 1
                self.close_connection = self.answers == answers_per_connection

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@contextmanager
def keep_alive(
    answers_per_connection: int = 100, now: Callable[[], float] = time.time, certificate: Path | None = None
) -> Iterator[tuple[KeepAliveServer, Ec2Client]]:
    with KeepAliveServer(answers_per_connection) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        scheme = "https" if certificate else "http"
        client = Ec2Client(REGION, KEYS, Endpoint(f"{scheme}://127.0.0.1:{server.server_port}"), now)
        try:
            yield server, client
        finally:
            client.close()
            server.shutdown()
            thread.join()


class TestConnections:
    def test_calls_share_one(self) -> None:
        with keep_alive() as (server, client):
            for _ in range(3):
                client.delete_security_group("sg-1")
            assert server.connections == 1

    def test_that_idled_for_long_are_not_used_again(self) -> None:
        clock = Clock()
        with keep_alive(now=clock.now) as (server, client):
            client.delete_security_group("sg-1")
            clock.time += 600  # a frozen container thaws
            client.delete_security_group("sg-1")
            assert server.connections == 2

    def test_that_were_closed_are_replaced(self) -> None:
        """Otherwise the first call after a pause would be ambiguous for nothing."""
        with keep_alive(answers_per_connection=1) as (server, client):
            client.delete_security_group("sg-1")
            wait_until_dropped(client)
            client.delete_security_group("sg-2")
            assert server.connections == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + signed.public_bytes(Encoding.PEM))
    return path


class TestTls:
    def test_is_what_https_means(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with keep_alive(certificate=certificate) as (server, client):
            for _ in range(3):
                client.delete_security_group("sg-1")
            assert server.connections == 1

    def test_does_not_speak_to_strangers(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with (
            keep_alive(certificate=certificate) as (_, client),
            pytest.raises(Ambiguous, match="certificate verify failed"),
        ):
            client.delete_security_group("sg-1")


def wait_until_dropped(client: Ec2Client) -> None:
    (connection, _), *_ = client._connections._idle
    wait_until(lambda: connections._is_dropped(connection), "the end of the connection")


def botocore_signature(headers: dict[str, str], body: bytes, url: str, region: str, secret: str) -> str:
    signed = {name: value for name, value in headers.items() if name != "authorization"}
    token = headers.get("x-amz-security-token")
    request = AWSRequest("POST", url, signed, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(BotocoreCredentials("AKID", secret, token), "ec2", region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))  # type: ignore[attr-defined]  # unstubbed
    return str(request.headers["Authorization"])


MODEL = ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")


def botocore_form(action: str, **parameters: object) -> dict[str, object]:
    serializer = create_serializer("ec2", include_validation=False)
    form = dict(serializer.serialize_to_request(parameters, MODEL.operation_model(action))["body"])
    assert (form.pop("Action"), form.pop("Version")) == (action, ec2.API_VERSION)
    return form


def test_an_error_names_nobody_and_keeps_all_of_it_for_the_log() -> None:
    said = (
        "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/the-role/f is "
        "not authorized to perform: ec2:CreateSecurityGroup. Encoded authorization failure message: abcdef"
    )
    error = Refused("UnauthorizedOperation", said)

    assert str(error) == "UnauthorizedOperation: You are not authorized to perform this operation."
    assert said in error.detail
    assert str(Refused("X", "the account 123456789012 has too many")) == "X: the account"
    assert str(Refused("X", "arn:aws:ec2:::vpc/1")) == "X"
