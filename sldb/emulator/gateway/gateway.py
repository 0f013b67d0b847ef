"""The front of all APIs: whose a request is, and the limits that all kinds have.

The limits (quotas of the developer guide): 10 MB of body; 10,240 bytes of request line and header values. Their
statuses, 413 and 431, are HTTP's own; AWS does not document them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from urllib.parse import quote

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway import addresses, domains
from sldb.emulator.gateway.addresses import ApiAddress, DomainAddress
from sldb.emulator.gateway.kinds import ApiKind
from sldb.emulator.gateway.messages import Request, Response, message, new_request_id, sent_headers

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_HEADER_BYTES = 10_240
_OF_CONNECTION = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive"})
_OWN_HOSTS = ("127.0.0.1", "localhost")


class Gateway:
    def __init__(self, moto: Moto, kinds: Sequence[ApiKind], close: Callable[[], None] = lambda: None) -> None:
        self._moto = moto
        self._kinds = tuple(kinds)
        self.close = close  # waits for what the APIs have invoked

    def answer(self, call: Call) -> Answer | None:
        """Return the answer to a request for an API; None if it is for AWS itself."""
        address = addresses.parse(call.headers.get("host", ""), call.path)
        stage = None
        if isinstance(address, DomainAddress):
            if address.domain in _OWN_HOSTS or not domains.exists(self._moto, address.domain):
                return None
            mapped = domains.find(self._moto, address.domain, address.path)
            if mapped is None:
                return _sent(message(404, "Not Found"))
            address, stage = ApiAddress(mapped.api_id, mapped.path), mapped.stage
        for kind in self._kinds:
            region = kind.region_of(address.api_id)
            if region is not None:
                request = _request(call, address, region, stage)
                return _sent(_too_large(request) or kind.answer(address.api_id, request))
        return _sent(message(404, "Not Found"))  # on AWS, such a host does not exist


def _request(call: Call, address: ApiAddress, region: str, stage: str | None) -> Request:
    environ = call.environ
    host = addresses.host_name(call.headers.get("host", ""))
    own = f"{address.api_id}.execute-api.{region}.amazonaws.com"  # also of a request by path prefix
    return Request(
        call=call,
        method=call.method,
        path=address.path,
        query=str(environ.get("QUERY_STRING", "")),
        headers=sent_headers(environ, call),
        body=call.body,
        domain_name=own if stage is None else host,
        source_ip=str(environ.get("REMOTE_ADDR", "127.0.0.1")),
        protocol=str(environ.get("SERVER_PROTOCOL", "HTTP/1.1")),
        received_at=time.time(),
        request_id=new_request_id(),
        stage=stage,
    )


def _too_large(request: Request) -> Response | None:
    line = f"{request.method} {quote(request.path)}?{request.query} {request.protocol}"
    if len(line.encode()) + sum(len(value.encode()) for _, value in request.headers) > MAX_HEADER_BYTES:
        return message(431, "Request Header Fields Too Large")
    return message(413, "Request Entity Too Large") if len(request.body) > MAX_BODY_BYTES else None


def _sent(response: Response) -> Answer:
    # The server decides about the connection and the length by itself.
    kept = tuple(header for header in response.headers if header[0].lower() not in _OF_CONNECTION)
    return Answer(response.status, kept, response.body)
