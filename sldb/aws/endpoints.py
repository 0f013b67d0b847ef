"""Where AWS is for this user, and the way there: endpoints, proxies and certificates as botocore's clients find them,
for those connections that none of its clients makes.

Endpoints: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, `services` and `endpoint_url` of the profile, unless
AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is set; else the host that AWS has in the region's partition, also a FIPS or
dual-stack one. Proxies: HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or the system's. Certificates: AWS_CA_BUNDLE, `ca_bundle`
of the profile, REQUESTS_CA_BUNDLE.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from botocore.configprovider import ConfiguredEndpointProvider
from botocore.httpsession import URLLib3Session
from botocore.utils import ensure_boolean, should_bypass_proxies

from lambda_handlers.shared.endpoints import Partition, has_certificates, is_endpoint_url, partition_of, service_url
from lambda_handlers.shared.proxies import is_proxy
from lambda_handlers.wire import SldbError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import botocore.session

    from lambda_handlers.settings import Settings

CONNECT_SECONDS = 10.0


def endpoint_url(session: botocore.session.Session, service: str, region: str) -> str:
    """Raises SldbError where what is configured is no URL."""
    configured = configured_url(session, service)
    if configured:
        return configured
    fips, dual_stack = (bool(session.get_config_variable(f"use_{name}_endpoint")) for name in ("fips", "dualstack"))
    return service_url(service, region, _partition(session, region), fips=fips, dual_stack=dual_stack)


def configured_url(session: botocore.session.Session, service: str) -> str | None:
    """Raises SldbError where what is configured is no URL."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    url = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), service).provide()
    return checked_url(str(url).rstrip("/"), service) if url else None


def checked_url(url: str, service: str) -> str:
    if is_endpoint_url(url):
        return url
    raise SldbError(
        "store_error",
        f"the endpoint of {service} is no URL: got {url!r}",
        f"write http://host or https://host: AWS_ENDPOINT_URL_{service.upper()}, AWS_ENDPOINT_URL, or your AWS profile",
        applied="no",
    )


def check_way(session: botocore.session.Session, url: str, service: str) -> None:
    """Raise SldbError where the URL is none, or there is no way to it: certificates or a proxy that cannot be."""
    checked_url(url, service)
    ca_bundle(session)
    _proxies((url,))


def reached_by(
    settings: Settings, session: botocore.session.Session, region: str, endpoint: str | None = None
) -> Settings:
    """Return the settings with the places and the ways that hold for this user. `endpoint`: of S3, given by hand."""
    s3_section = session.get_scoped_config().get("s3") or {}
    section = s3_section if isinstance(s3_section, dict) else {}
    partition = _partition(session, region)
    fips, dual_stack = (bool(session.get_config_variable(f"use_{name}_endpoint")) for name in ("fips", "dualstack"))
    s3 = checked_url(endpoint, "s3") if endpoint else configured_url(session, "s3")
    if s3 is None and ensure_boolean(section.get("use_dualstack_endpoint")):
        s3 = service_url("s3", region, partition, fips=fips, dual_stack=True)
    placed = replace(
        settings,
        region=region,
        url_suffix=partition.suffix,
        fips=fips,
        dual_stack=dual_stack,
        endpoint_url=s3,
        ec2_endpoint_url=configured_url(session, "ec2"),
        virtual_hosted=section.get("addressing_style") == "virtual",
        ca_bundle=ca_bundle(session),
    )
    bucket = settings.store.removeprefix("s3://").partition("/")[0]
    return replace(placed, proxies=_proxies((placed.s3_bucket(bucket).url, placed.ec2.url)))


def ca_bundle(session: botocore.session.Session) -> str | None:
    """Raises SldbError where there is no such file, or it holds none."""
    path = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    if not path:
        return None
    try:
        if has_certificates(Path(path).read_bytes()):
            return str(path)
        what = "holds none (PEM)"
    except OSError as error:
        what = error.strerror or str(error)
    raise SldbError(
        "store_error",
        f"the file of certificates {path}: {what}",
        "see AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE and ca_bundle of your AWS profile",
        applied="no",
    )


def transport(
    session: botocore.session.Session, url: str, read_seconds: float, socket_options: list[tuple[int, int, int]]
) -> URLLib3Session:
    """Return botocore's own for a URL. Raises SldbError for a proxy or certificates that cannot be."""
    return URLLib3Session(
        verify=ca_bundle(session) or True,  # type: ignore[arg-type]  # the stubs know only bool
        proxies={name.removesuffix("_proxy"): proxy for name, proxy in _proxies((url,)) if name != "no_proxy"}
        if not should_bypass_proxies(url)
        else {},
        timeout=(CONNECT_SECONDS, read_seconds),  # type: ignore[arg-type]  # the stubs know one of its forms
        socket_options=socket_options,  # type: ignore[arg-type]  # the stubs say str, urllib3 says tuple
    )


def _proxies(urls: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return what settings have of proxies: those of the environment or the system, and which of the URLs' hosts are
    excepted."""
    found, places = getproxies(), [urlsplit(url) for url in urls if not should_bypass_proxies(url)]
    for scheme in {place.scheme for place in places}:
        if found.get(scheme) and not is_proxy(found[scheme]):
            raise SldbError(
                "store_error",
                f"the proxy for {scheme} is none that can be used",
                f"want http://host:port, with user:password@ where it asks for them: {scheme.upper()}_PROXY",
                applied="no",
            )
    excepted = ",".join({urlsplit(url).netloc for url in urls} - {place.netloc for place in places})
    return tuple((f"{name}_proxy", value) for name, value in {**found, "no": excepted}.items() if name in _KINDS)


_KINDS = ("http", "https", "no")


def _partition(session: botocore.session.Session, region: str) -> Partition:
    """Return the partition (aws, aws-cn, aws-us-gov, …) that has the region, or looks as if it had."""
    partitions = session.get_data("partitions")["partitions"]
    for partition in partitions:
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            outputs = partition["outputs"]
            return Partition(outputs["dnsSuffix"], outputs["dualStackDnsSuffix"])
    return partition_of(region)
