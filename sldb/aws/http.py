"""Signed HTTP to one AWS service, with botocore's own sessions, signer and transport, and without its clients.

Making a botocore client parses the service's model and costs 60 ms at every start of the command (measured: 180 ms
against 120 ms); one POST needs none of it. Profiles, SSO, roles, regions, endpoints (AWS_ENDPOINT_URL, …), proxies and
CA bundles are still found by botocore, so that they work as in other AWS tools.

The errors of botocore pass through: the caller knows the purpose of the request (see `sldb.aws.errors.aws_errors`).
"""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError, NoRegionError
from botocore.httpsession import URLLib3Session
from botocore.utils import validate_region_name
from urllib3.exceptions import HTTPError

from sldb.aws.endpoints import endpoint_url, transport
from sldb.aws.options import AwsOptions
from sldb.aws.session import botocore_session

DOWNLOAD_SECONDS = 60.0  # between two pieces of an object
DOWNLOAD_PIECE_BYTES = 1 << 16
_OK = 200
_API_SERVICE = "execute-api"  # in signatures for API Gateway
_API_HOST = re.compile(r"[a-z0-9-]+\.execute-api\.([a-z0-9-]+)\..+")
# A function may be silent for 15 minutes: without keep-alive a router on the way forgets the connection.
_SOCKET_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes


class Unanswered(Exception):
    """A request got no usable response. `was_sent`: the request, or a part of it, may have arrived. `error`:
    botocore's."""

    def __init__(self, error: BotoCoreError, *, was_sent: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.was_sent = was_sent


class _Body(io.BytesIO):
    """The body of a request. It is read once there is a connection to send it by, and not before: botocore's errors do
    not distinguish a failed handshake from an incomplete response, nor an invalid address from a response other than
    HTTP."""

    was_taken = False

    def read(self, size: int | None = -1) -> bytes:
        self.was_taken = True
        return super().read(size)


class SignedHttp:
    """Requests to `service`, over persistent connections."""

    def __init__(self, service: str, options: AwsOptions, read_seconds: float) -> None:
        """Raise BotoCoreError if profile, region or credentials are missing."""
        session = botocore_session(options)
        self._session = session
        self._service = service
        self.region = _region(session, options)
        self.endpoint = endpoint_url(session, service, self.region)
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        self._credentials = credentials
        self._http = _transport(session, self.endpoint, read_seconds)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> HttpReply:
        """Send a signed POST and return the response. Raises Unanswered; BotoCoreError if the credentials cannot be
        refreshed."""
        request = AWSRequest("POST", self.endpoint + path, {"Content-Type": "application/json", **headers}, body)
        SigV4Auth(self._credentials.get_frozen_credentials(), self._service, self.region).add_auth(request)
        return _send(self._http, request, body)

    def download(self, url: str) -> Iterator[bytes]:
        """Yield the content of a presigned URL as it arrives; it may end early. Raises OSError without the URL in it:
        the URL alone is the right to read."""
        return _download(self._session, url)

    def close(self) -> None:
        self._http.close()


class UrlHttp:
    """Requests to one address, over persistent connections. A redirect is a response, and not followed."""

    def __init__(
        self, url: str, headers: Mapping[str, str], options: AwsOptions, read_seconds: float, *, is_signed: bool = False
    ) -> None:
        """Raise SldbError for an unusable proxy or unusable certificates. `is_signed`: for API Gateway, with the AWS
        identity of the user; raise BotoCoreError if profile, region or credentials are missing."""
        session = botocore_session(options)
        self._session = session
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        self._region = (region_in(url) or _region(session, options)) if is_signed else ""
        self._credentials = session.get_credentials() if is_signed else None
        if is_signed and self._credentials is None:
            raise NoCredentialsError
        self._http = _transport(session, url, read_seconds)

    def post(self, path: str, body: bytes) -> HttpReply:
        """Send a POST and return the response. Raises Unanswered; BotoCoreError if the credentials cannot be
        refreshed."""
        request = AWSRequest("POST", self._url + path, dict(self._headers), body)
        if self._credentials is not None:
            SigV4Auth(self._credentials.get_frozen_credentials(), _API_SERVICE, self._region).add_auth(request)
        return _send(self._http, request, body)

    def download(self, url: str) -> Iterator[bytes]:
        """Yield the content of another URL, without the headers; as `SignedHttp.download` does."""
        return _download(self._session, url)

    def close(self) -> None:
        self._http.close()


def region_in(url: str) -> str:
    """Return the region in an address of API Gateway's own; empty for other addresses, such as a custom domain."""
    found = _API_HOST.fullmatch(urlsplit(url).hostname or "")
    return found[1] if found else ""


class PlainHttp:
    """Requests to presigned addresses, over persistent connections. Safe for threads."""

    def __init__(self, options: AwsOptions, read_seconds: float) -> None:
        self._options = options
        self._read_seconds = read_seconds
        self._opening = threading.Lock()
        self._http: URLLib3Session | None = None

    def exchange(self, verb: str, url: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Send a request and return the response. Raises OSError without the URL in it: the URL alone is the right to
        use it."""
        try:
            with self._opening:
                http = self._http = self._http or self._transport_to(url)
            reply = http.send(AWSRequest(verb, url, dict(headers), body).prepare())
            return HttpReply(reply.status_code, reply.headers, reply.content)
        except (BotoCoreError, HTTPError) as error:
            raise OSError(f"no answer, or not all of it ({type(error).__name__})") from error

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    def _transport_to(self, url: str) -> URLLib3Session:
        return _transport(botocore_session(self._options), url, self._read_seconds)


def _send(http: URLLib3Session, request: AWSRequest, body: bytes) -> HttpReply:
    prepared, sent = request.prepare(), _Body(body)
    prepared.body = sent
    try:
        reply = http.send(prepared)
        return HttpReply(reply.status_code, reply.headers, reply.content)
    except BotoCoreError as error:
        raise Unanswered(error, was_sent=sent.was_taken) from error


def _download(session: botocore.session.Session, url: str) -> Iterator[bytes]:
    with closing(_transport(session, url, DOWNLOAD_SECONDS)) as http:
        try:
            response = http.send(AWSRequest("GET", url, stream_output=True).prepare())
            with closing(response.raw) as body:
                if response.status_code != _OK:
                    raise OSError(f"it answered {response.status_code}")
                yield from body.stream(DOWNLOAD_PIECE_BYTES)
        except (BotoCoreError, HTTPError) as error:
            raise OSError(f"no answer, or not all of it ({type(error).__name__})") from error


def _region(session: botocore.session.Session, options: AwsOptions) -> str:
    region = options.region or session.get_config_variable("region")
    if not region:
        raise NoRegionError
    validate_region_name(region)
    return str(region)


def _transport(session: botocore.session.Session, url: str, read_seconds: float) -> URLLib3Session:
    return transport(session, url, read_seconds, _SOCKET_OPTIONS)
