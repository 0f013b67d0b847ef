"""The obstore client of a bucket, configured by the settings and nothing else.

obstore takes every option that it is not given from the environment: AWS_SESSION_TOKEN beside the keys of a profile,
AWS_ENDPOINT_URL_S3, AWS_SKIP_SIGNATURE, AWS_VIRTUAL_HOSTED_STYLE_REQUEST and so on, and reqwest below it the proxies.
So all options are given. Variables for options without a neutral value are hidden from it while a client is made; a
test compares with obstore's own list of variables.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import S3Store

from lambda_handlers.settings import BadSetting
from lambda_handlers.shared.endpoints import Endpoint, has_certificates

if TYPE_CHECKING:
    from lambda_handlers.settings import Credentials, Settings

RETRY_SECONDS = 15  # after the first try of a request
CONNECT_SECONDS = 3
TUNNEL_SECONDS = 10  # to connect through a proxy, which may go through further proxies
REQUEST_SECONDS = 60  # with the body

# The bucket decides on encryption, and the signature has the checksum.
_HIDDEN = frozenset(
    {
        "AWS_CHECKSUM_ALGORITHM",
        "AWS_SERVER_SIDE_ENCRYPTION",
        "AWS_SSE_BUCKET_KEY_ENABLED",
        "AWS_SSE_CUSTOMER_KEY_BASE64",
        "AWS_SSE_KMS_KEY_ID",
    }
)
_hiding = threading.Lock()


def client_factory(settings: Settings, bucket: str, prefix: str) -> Callable[[int], S3Store]:
    """Return a factory of clients; its argument is the number of retries. Raises BadSetting for an unreadable file of
    certificates, and for an unusable proxy."""
    endpoint = settings.s3_bucket(bucket)
    config, options = _config(endpoint, settings), _options(endpoint)

    def make(max_retries: int) -> S3Store:
        with _hidden():
            return S3Store(
                bucket,
                prefix=prefix or None,
                config=config,  # type: ignore[arg-type]  # built key by key
                client_options=options,  # type: ignore[arg-type]  # built key by key
                retry_config={"max_retries": max_retries, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
                credential_provider=_provider(settings.credentials),
            )

    return make


def _config(endpoint: Endpoint, settings: Settings) -> dict[str, Any]:
    return {
        "region": settings.region,
        "endpoint": endpoint.url,
        "aws_endpoint_url_s3": endpoint.url,  # takes precedence over the other one
        "virtual_hosted_style_request": True,  # that is: the bucket is in the URL already
        "conditional_put": "etag",
        "skip_signature": False,
        "unsigned_payload": False,
        "s3_express": False,
        "request_payer": False,
        "disable_bulk_delete": False,
        "disable_tagging": False,
        **_keys(settings.credentials),
    }


def _keys(credentials: Credentials | None) -> dict[str, Any]:
    """Return credentials with a token; without one, obstore would take a token from the environment."""
    if credentials is None or not credentials.session_token:
        return {}
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
    }


def _provider(credentials: Credentials | None) -> Any:
    """Return a provider of keys without a token; it costs 6 ms once, and prevents a wrong token."""
    if credentials is None or credentials.session_token:
        return None
    keys = {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "token": None,
        "expires_at": None,
    }
    return lambda: keys


def _options(endpoint: Endpoint) -> dict[str, Any]:
    url = urlsplit(endpoint.url)
    options: dict[str, Any] = {
        "allow_http": url.scheme == "http",
        "timeout": f"{REQUEST_SECONDS}s",
        "connect_timeout": f"{TUNNEL_SECONDS if endpoint.proxy_url else CONNECT_SECONDS}s",
        # Without a proxy, a placeholder with an exception for this host hides the environment's proxies.
        "proxy_url": endpoint.proxy_url or "http://127.0.0.1:1",
        "proxy_excludes": "" if endpoint.proxy_url else url.hostname,
    }
    if endpoint.ca_bundle:
        options["root_certificate"] = _read(endpoint.ca_bundle)
        options["proxy_ca_certificate"] = options["root_certificate"].decode("latin-1")
    return options


def _read(ca_bundle: str) -> bytes:
    try:
        with open(ca_bundle, "rb") as file:
            text = file.read()
    except OSError as error:
        raise BadSetting("AWS_CA_BUNDLE", ca_bundle, f"a file of certificates ({error.strerror})") from error
    if not has_certificates(text):
        raise BadSetting("AWS_CA_BUNDLE", ca_bundle, "a file of certificates (PEM)")
    return text


@contextmanager
def _hidden() -> Iterator[None]:
    """Remove variables that obstore would obey from the environment for a moment."""
    with _hiding:
        found = {name: os.environ.pop(name) for name in list(os.environ) if name.upper() in _HIDDEN}
        try:
            yield
        finally:
            os.environ.update(found)
