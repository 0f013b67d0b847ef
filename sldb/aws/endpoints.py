"""Endpoints, proxies and certificates of this user, found as botocore's clients find them: for connections without such
a client.

Endpoints: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, `services` and `endpoint_url` of the profile, unless
AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set; else AWS's own host in the region's partition, also a FIPS or
dual-stack one. Proxies: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or the system's. Certificates: AWS_CA_BUNDLE, `ca_bundle`
of the profile, REQUESTS_CA_BUNDLE.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from botocore.configprovider import ConfiguredEndpointProvider
from botocore.httpsession import URLLib3Session
from botocore.utils import should_bypass_proxies

from lambda_handlers.shared.endpoints import Partition, has_certificates, is_endpoint_url, partition_of, service_url
from lambda_handlers.shared.proxies import is_proxy
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import botocore.session

CONNECT_SECONDS = 10.0


def endpoint_url(session: botocore.session.Session, service: str, region: str) -> str:
    """Return the configured endpoint of a service, else AWS's own. Raises SldbError if that is invalid."""
    configured = configured_url(session, service)
    if configured:
        return configured
    fips, dual_stack = endpoint_variants(session)
    return service_url(service, region, find_partition(session, region), fips=fips, dual_stack=dual_stack)


def endpoint_variants(session: botocore.session.Session) -> tuple[bool, bool]:
    """Return whether FIPS and dual-stack endpoints are configured."""
    fips, dual_stack = (bool(session.get_config_variable(f"use_{name}_endpoint")) for name in ("fips", "dualstack"))
    return fips, dual_stack


def configured_url(session: botocore.session.Session, service: str) -> str | None:
    """Return the configured endpoint of a service, None if there is none. Raises SldbError if it is not a URL."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    url = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), service).provide()
    return checked_url(str(url).rstrip("/"), service) if url else None


def checked_url(url: str, service: str) -> str:
    """Return the URL. Raises SldbError if it is not valid."""
    if is_endpoint_url(url):
        return url
    raise SldbError(
        "store_error",
        f"the endpoint of {service} is not a URL: got {url!r}",
        f"write http://host or https://host: AWS_ENDPOINT_URL_{service.upper()}, AWS_ENDPOINT_URL, or your AWS profile",
        applied="no",
    )


def check_connection_settings(session: botocore.session.Session, url: str, service: str) -> None:
    """Raise SldbError if the URL is invalid, or if the certificates or the proxy for it are unusable."""
    checked_url(url, service)
    ca_bundle(session)
    proxy_settings((url,))


def ca_bundle(session: botocore.session.Session) -> str | None:
    """Return the path of the certificate file. Raises SldbError if it is missing, or holds no certificate."""
    path = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    if not path:
        return None
    try:
        if has_certificates(Path(path).read_bytes()):
            return str(path)
        problem = "it holds no PEM certificate"
    except OSError as error:
        problem = error.strerror or str(error)
    raise SldbError(
        "store_error",
        f"the certificate file {path}: {problem}",
        "see AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE and ca_bundle of your AWS profile",
        applied="no",
    )


def transport(
    session: botocore.session.Session, url: str, read_seconds: float, socket_options: list[tuple[int, int, int]]
) -> URLLib3Session:
    """Return botocore's own transport for a URL. Raises SldbError for an unusable proxy or unusable certificates."""
    return URLLib3Session(
        verify=ca_bundle(session) or True,  # type: ignore[arg-type]  # the stubs know only bool
        proxies={name.removesuffix("_proxy"): proxy for name, proxy in proxy_settings((url,)) if name != "no_proxy"}
        if not should_bypass_proxies(url)
        else {},
        timeout=(CONNECT_SECONDS, read_seconds),  # type: ignore[arg-type]  # the stubs know one of its forms
        socket_options=socket_options,  # type: ignore[arg-type]  # the stubs say str, urllib3 says tuple
    )


def proxy_settings(urls: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the proxies of the environment or the system, and the exceptions from them among the hosts of the URLs, as
    variables. Raises SldbError for a proxy that is not a URL."""
    found, proxied = getproxies(), [urlsplit(url) for url in urls if not should_bypass_proxies(url)]
    for scheme in {url.scheme for url in proxied}:
        if found.get(scheme) and not is_proxy(found[scheme]):
            raise SldbError(
                "store_error",
                f"the proxy for {scheme} cannot be used",
                f"want http://host:port, with user:password@ if it requires them: {scheme.upper()}_PROXY",
                applied="no",
            )
    excepted = ",".join({urlsplit(url).netloc for url in urls} - {url.netloc for url in proxied})
    return tuple((f"{name}_proxy", value) for name, value in {**found, "no": excepted}.items() if name in _PROXY_KINDS)


_PROXY_KINDS = ("http", "https", "no")


def find_partition(session: botocore.session.Session, region: str) -> Partition:
    """Return the partition (aws, aws-cn, aws-us-gov, …) of a region, for an unknown region by the pattern of names."""
    partitions = session.get_data("partitions")["partitions"]
    for partition in partitions:
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            outputs = partition["outputs"]
            return Partition(outputs["dnsSuffix"], outputs["dualStackDnsSuffix"])
    return partition_of(region)
