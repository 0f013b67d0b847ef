"""Endpoints of AWS's services: one function for every client, on either side. Pure.

A partition of AWS (the commercial regions, China, the European sovereign cloud, …) has domains of its own. The client
takes them from botocore's data, the functions from `AWS::URLSuffix`, passed on by the template; `partition_of` serves
callers without either. FIPS and dual-stack endpoints are named as botocore's rules name them: a test compares all
regions.

The bucket is part of the path. That works in every partition and for names with dots, which no certificate covers; a
configuration for virtual-hosted addresses gets them, if the name allows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.patterns import pattern

if TYPE_CHECKING:
    from urllib.parse import SplitResult


@dataclass(frozen=True, slots=True)
class Partition:
    suffix: str  # the domain of its hosts
    dual_stack_suffix: str  # the domain of those that speak IPv6 as well; S3's are in the other one


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a service, with its proxy and certificates."""

    url: str
    proxy_url: str | None = None
    ca_bundle: str | None = None  # the path of a PEM file; None: the system's trusted certificates


_COMMERCIAL = Partition("amazonaws.com", "api.aws")
_PARTITIONS = {  # by the beginning of the names of regions
    "cn-": Partition("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-": Partition("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-": Partition("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-": Partition("sc2s.sgov.gov", "api.aws.scloud"),
    "eu-isoe-": Partition("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "us-isof-": Partition("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
}
# The part of a host name of S3 before the domain; other hosts of AWS may belong to any customer.
_S3_HOST = pattern(r"(.+\.)?s3(-[a-z0-9-]+)?(\.dualstack)?(\.[a-z0-9-]+)?(\.vpce)?")
_VIRTUAL_BUCKET = pattern(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL. Raises ValueError."""
    from urllib.parse import urlsplit  # 3 ms of the start of whatever needs no URL

    return urlsplit(url)


def partition_of(region: str) -> Partition:
    return next((found for prefix, found in _PARTITIONS.items() if region.startswith(prefix)), _COMMERCIAL)


def partition_at(suffix: str, region: str) -> Partition:
    """Return the partition of a value of AWS::URLSuffix. An unknown one has no dual-stack domain here."""
    found = partition_of(region)
    return found if suffix in ("", found.suffix) else Partition(suffix, suffix)


def service_url(
    service: str, region: str, partition: Partition, *, fips: bool = False, dual_stack: bool = False
) -> str:
    """Return AWS's own endpoint of a regional service."""
    if service == "s3":
        stack = ".dualstack" if dual_stack else ""
        return f"https://s3{'-fips' if fips else ''}{stack}.{region}.{partition.suffix}"
    # The usual hosts of EC2 in GovCloud are the validated ones.
    is_marked = fips and not (service == "ec2" and region.startswith("us-gov-") and not dual_stack)
    # The usual hosts of Secrets Manager speak IPv6 as well, but for those of the newer partitions.
    usual = ("amazonaws.com",) if fips else ("amazonaws.com", "amazonaws.com.cn")
    is_dual_anyway = service == "secretsmanager" and partition.suffix in usual
    suffix = partition.dual_stack_suffix if dual_stack and not is_dual_anyway else partition.suffix
    return f"https://{service}{'-fips' if is_marked else ''}.{region}.{suffix}"


def bucket_url(endpoint_url: str, bucket: str, *, virtual_hosted: bool = False) -> str:
    """Return the address of a bucket without a slash at its end, to be followed by a key."""
    url = split_url(endpoint_url)
    host, path = url.netloc.rpartition("@")[2], url.path.rstrip("/")
    if virtual_hosted and _VIRTUAL_BUCKET.fullmatch(bucket):
        return f"{url.scheme}://{bucket}.{host}{path}"
    return f"{url.scheme}://{host}{path}/{bucket}"


def is_endpoint_url(text: str) -> bool:
    """Return True for a URL with a supported scheme, a host, and a valid port, if any."""
    try:
        url = split_url(text)
        _ = url.port
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and not re.search(r"[\s\x00-\x1f]", text)


def is_aws_s3(endpoint_url: str, suffix: str = "") -> bool:
    """Return True for an endpoint of AWS's own S3 (also a VPC, FIPS or dual-stack one). `suffix`: of a partition that
    may be unknown here."""
    host = split_url(endpoint_url).hostname or ""
    partitions = (_COMMERCIAL, *_PARTITIONS.values(), Partition(suffix or _COMMERCIAL.suffix, ""))
    domains = {name for partition in partitions for name in (partition.suffix, partition.dual_stack_suffix) if name}
    return any(host.endswith(f".{domain}") and _S3_HOST.fullmatch(host[: -len(domain) - 1]) for domain in domains)


def is_aws_host(host: str) -> bool:
    """Return True for a host below one of the known domains of AWS."""
    partitions = (_COMMERCIAL, *_PARTITIONS.values())
    domains = (domain for partition in partitions for domain in (partition.suffix, partition.dual_stack_suffix))
    return host.endswith(tuple(f".{domain}" for domain in domains))


def has_certificates(text: bytes) -> bool:
    """Return True if a file has certificates in PEM format."""
    return b"CERTIFICATE-----" in text
