"""The hosts of AWS's services in all regions of all partitions, against the rules and data of botocore."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.session import Session

from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.shared.endpoints import (
    Partition,
    bucket_url,
    is_aws_s3,
    is_endpoint_url,
    partition_at,
    partition_of,
    service_url,
)

DATA: dict[str, Any] = Session().get_data("partitions")
VARIANTS = [(fips, dual_stack) for fips in (False, True) for dual_stack in (False, True)]
BUCKET = "a.bucket.with-dots"


def regions() -> Iterator[tuple[str, Partition]]:
    for partition in DATA["partitions"]:
        outputs = partition["outputs"]
        for region in partition["regions"]:
            if not region.endswith("-global"):  # no place
                yield region, Partition(outputs["dnsSuffix"], outputs["dualStackDnsSuffix"])


@lru_cache
def rules(service: str) -> EndpointProvider:
    return EndpointProvider(
        Session().get_component("data_loader").load_service_model(service, "endpoint-rule-set-1"), DATA
    )


def by_botocore(service: str, region: str, fips: bool, dual_stack: bool) -> str | None:
    """None where botocore refuses: there is no such endpoint."""
    given: dict[str, Any] = {"Region": region, "UseFIPS": fips, "UseDualStack": dual_stack}
    if service == "s3":
        given.update(Bucket=BUCKET, ForcePathStyle=True, UseGlobalEndpoint=False, Accelerate=False)
    try:
        return str(rules(service).resolve_endpoint(**given).url)
    except EndpointProviderError:
        return None


@pytest.mark.parametrize(("fips", "dual_stack"), VARIANTS)
@pytest.mark.parametrize("service", ["s3", "ec2", "lambda", "secretsmanager"])
def test_hosts_are_those_of_botocore(service: str, fips: bool, dual_stack: bool) -> None:
    compared, refused = 0, set()
    for region, partition in regions():
        want = by_botocore(service, region, fips, dual_stack)
        if want is None:
            refused.add(region[:3])
            continue
        url = service_url(service, region, partition, fips=fips, dual_stack=dual_stack)
        assert (bucket_url(url, BUCKET) if service == "s3" else url) == want
        compared += 1
    assert compared >= 45
    assert refused <= ({"cn-"} if service == "s3" and fips else set())  # S3 has no FIPS endpoints in China


@pytest.mark.parametrize(("fips", "dual_stack"), VARIANTS)
def test_the_functions_go_to_the_same_hosts(fips: bool, dual_stack: bool) -> None:
    """They know AWS::URLSuffix and have no botocore."""
    for region, partition in regions():
        settings = Settings.from_environment(
            {
                "SLDB_STORE": f"s3://{BUCKET}/databases",
                "SLDB_URL_SUFFIX": partition.suffix,
                "AWS_REGION": region,
                "AWS_USE_FIPS_ENDPOINT": str(fips).lower(),
                "AWS_USE_DUALSTACK_ENDPOINT": str(dual_stack).lower(),
            }
        )
        want = by_botocore("s3", region, fips, dual_stack)
        assert want is None or settings.s3_bucket(BUCKET).url == want
        assert settings.ec2.url == by_botocore("ec2", region, fips, dual_stack)


def test_without_a_suffix_the_region_tells_the_partition() -> None:
    assert {region: partition_of(region) for region, _ in regions()} == dict(regions())


def test_a_partition_of_tomorrow() -> None:
    settings = Settings("s3://b/p", region="mars-west-1", url_suffix="aws.mars")
    assert settings.s3_bucket("b").url == "https://s3.mars-west-1.aws.mars/b"
    assert settings.ec2.url == "https://ec2.mars-west-1.aws.mars"
    assert partition_at("aws.mars", "mars-west-1").suffix == "aws.mars"


def test_all_those_endpoints_are_awss_own() -> None:
    for (region, partition), fips, dual_stack in product(regions(), (False, True), (False, True)):
        assert is_aws_s3(service_url("s3", region, partition, fips=fips, dual_stack=dual_stack))


@pytest.mark.parametrize(
    ("endpoint", "bucket", "virtual_hosted", "want"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "b-1", False, "https://s3.eu-west-1.amazonaws.com/b-1"),
        ("https://s3.eu-west-1.amazonaws.com/", "b-1", True, "https://b-1.s3.eu-west-1.amazonaws.com"),
        ("https://s3.eu-west-1.amazonaws.com", "b.1", True, "https://s3.eu-west-1.amazonaws.com/b.1"),
        ("https://bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com", "b-1", False, None),
        ("http://127.0.0.1:9000/base/", "b-1", False, "http://127.0.0.1:9000/base/b-1"),
        ("http://user:secret@127.0.0.1:9000", "b-1", False, "http://127.0.0.1:9000/b-1"),
    ],
)
def test_the_address_of_a_bucket(endpoint: str, bucket: str, virtual_hosted: bool, want: str | None) -> None:
    assert bucket_url(endpoint, bucket, virtual_hosted=virtual_hosted) == (want or f"{endpoint}/{bucket}")


CONFIGURED = {"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_S3": "http://s3:2"}


def test_a_service_of_its_own_outweighs_all() -> None:
    settings = Settings.from_environment({"SLDB_STORE": "s3://b", **CONFIGURED})
    assert (settings.s3.url, settings.ec2.url) == ("http://s3:2", "http://all:1")


def test_configured_endpoints_can_be_ignored() -> None:
    ignoring = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE", "AWS_REGION": "cn-north-1"}
    settings = Settings.from_environment({"SLDB_STORE": "s3://b", **CONFIGURED, **ignoring})
    assert settings.s3.url == "https://s3.cn-north-1.amazonaws.com.cn"
    assert settings.ec2.url == "https://ec2.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "ftp://x", "http://", "http://x:99999", "http://[::1", "http://a b"])
def test_what_is_no_endpoint_is_a_bad_setting(url: str) -> None:
    assert not is_endpoint_url(url)
    with pytest.raises(BadSetting, match="AWS_ENDPOINT_URL_S3"):
        Settings.from_environment({"SLDB_STORE": "s3://b", "AWS_ENDPOINT_URL_S3": url})
