"""Where our own connections go for a user, against what botocore's clients would do with the same settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import pytest
from botocore.config import Config

from lambda_handlers.settings import Settings
from lambda_handlers.store.open import is_foreign
from lambda_handlers.wire import Request, SldbError, Statement
from sldb.aws.http import PlainHttp, SignedHttp
from sldb.aws.options import AwsOptions
from sldb.stack.account import connect
from sldb.targets import bucket
from sldb.targets.aws_lambda import LambdaTarget
from tests.fakes.aws.lambda_service import serve_lambda
from tests.fakes.network.certificates import Authority
from tests.fakes.network.forward_proxy import ForwardProxy, serve_proxy

VPC = "https://bucket.vpce-0a1b-2c3d.s3.eu-west-1.vpce.amazonaws.com"
SERVICES = f"services = s\n[services s]\ns3 =\n  endpoint_url = {VPC}\nec2 =\n  endpoint_url = http://ec2.test:1\n"
CASES: dict[str, tuple[dict[str, str], str]] = {  # environment, and lines of the profile
    "nothing": ({}, ""),
    "China": ({"AWS_DEFAULT_REGION": "cn-northwest-1"}, ""),
    "sovereign": ({}, "region = eusc-de-east-1"),
    "ISO": ({"AWS_DEFAULT_REGION": "us-isob-east-1"}, ""),
    "FIPS": ({"AWS_USE_FIPS_ENDPOINT": "true", "AWS_DEFAULT_REGION": "us-east-2"}, ""),
    "FIPS in the profile": ({"AWS_DEFAULT_REGION": "us-gov-west-1"}, "use_fips_endpoint = true"),
    "dual stack": ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, ""),
    "dual stack in the profile": ({"AWS_DEFAULT_REGION": "cn-north-1"}, "use_dualstack_endpoint = true"),
    "dual stack of S3 alone": ({}, "s3 =\n  use_dualstack_endpoint = true"),
    "both": ({"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"}, ""),
    "VPC endpoint": ({"AWS_ENDPOINT_URL_S3": VPC}, ""),
    "VPC endpoint in the profile": ({}, f"endpoint_url = {VPC}"),
    "services": ({}, SERVICES),
    "the environment outweighs services": ({"AWS_ENDPOINT_URL": "http://all.test:2"}, SERVICES),
    "ignored": ({"AWS_ENDPOINT_URL_S3": VPC, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, SERVICES),
    "ignored in the profile": ({"AWS_ENDPOINT_URL": VPC}, "ignore_configured_endpoint_urls = true"),
    "virtual-hosted": ({}, "s3 =\n  addressing_style = virtual"),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def profile(tmp_path: Path, lines: str) -> botocore.session.Session:
    text = f"[profile p]\naws_access_key_id = k\naws_secret_access_key = s\n{lines}\n"
    (tmp_path / "config").write_text(text)
    return botocore.session.Session(profile="p")


def reached(session: botocore.session.Session, name: str = "a.bucket") -> Settings:
    return bucket.add_endpoints(Settings(f"s3://{name}/databases"), session, session.get_config_variable("region"))


@pytest.mark.parametrize(("case", "name"), [*((case, "a.bucket") for case in CASES), ("virtual-hosted", "a-bucket")])
def test_hosts_are_those_of_botocores_clients(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str, name: str
) -> None:
    environment, lines = CASES[case]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    session = profile(tmp_path, lines)
    settings = reached(session, name)

    style = {} if "addressing_style" in lines else {"addressing_style": "path"}
    s3 = session.create_client("s3", config=Config(signature_version="s3v4", s3=style))
    want = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}).partition("?")[0]
    assert f"{settings.s3_bucket(name).url}/k" == want
    assert settings.ec2.url == session.create_client("ec2").generate_presigned_url("describe_vpcs").partition("/?")[0]
    assert is_foreign(settings) is (urlsplit(want).hostname == "all.test")


@pytest.mark.parametrize("service", ["lambda", "s3"])
@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:1", "http://x:99999", "http://[::1", "http://a b"])
def test_an_endpoint_that_cannot_be_one_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, service: str
) -> None:
    session = profile(tmp_path, "")
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", url)
    with pytest.raises(SldbError) as caught:
        reached(session) if service == "s3" else SignedHttp("lambda", AwsOptions("p", "eu-west-1"), 1)
    assert (caught.value.exit_code, caught.value.details["applied"]) == (3, "no")
    assert service in caught.value.message


@pytest.mark.parametrize("proxy", ["socks5://u:secret@x:1", "http://u:secret@x:99999", "http://"])
def test_a_proxy_that_cannot_be_one_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str
) -> None:
    session = profile(tmp_path, "")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    for ask in (lambda: reached(session), lambda: SignedHttp("lambda", AwsOptions("p", "eu-west-1"), 1)):
        with pytest.raises(SldbError) as caught:
            ask()
        assert (caught.value.exit_code, caught.value.details["applied"]) == (3, "no")
        assert "HTTPS_PROXY" in caught.value.hint
        assert "secret" not in caught.value.message


def test_certificates_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "c"))
    assert reached(profile(tmp_path, "")).ca_bundle == str(tmp_path / "c")
    session = profile(tmp_path, f"ca_bundle = {tmp_path / 'b'}")
    assert reached(session).ca_bundle == str(tmp_path / "b")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "a"))
    assert reached(profile(tmp_path, "")).ca_bundle == str(tmp_path / "a")


@pytest.mark.parametrize("name", ["nowhere.pem", "none.pem", ""])
def test_certificates_that_are_not_there_are_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / name))
    session = profile(tmp_path, "")
    for ask in (lambda: reached(session), lambda: SignedHttp("lambda", AwsOptions("p", "eu-west-1"), 1)):
        with pytest.raises(SldbError, match=re.escape(str(tmp_path / name))) as caught:
            ask()
        assert (caught.value.exit_code, caught.value.details["applied"]) == (3, "no")


def test_exceptions_from_proxies_hold_by_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://u:p@proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "s3.eu-west-1.amazonaws.com")
    settings = reached(profile(tmp_path, ""))
    assert settings.s3_bucket("a.bucket").proxy_url is None
    assert settings.ec2.proxy_url == "http://u:p@proxy.test:3128"


def test_keys_of_a_profile_go_without_the_token_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profile(tmp_path, "")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another")
    chosen: Any = bucket._credentials(boto3.Session(profile_name="p"))
    assert (chosen.access_key_id, chosen.session_token) == ("k", None)


@pytest.mark.parametrize("proxy", ["socks5://u:secret@127.0.0.1:1", "http://u:secret@127.0.0.1:99999", "u:secret@[::1"])
def test_no_message_of_botocores_repeats_the_password_of_a_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str
) -> None:
    profile(tmp_path, "")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(SldbError) as caught:
        connect(AwsOptions("p", "eu-west-1"))
    assert caught.value.exit_code == 3
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("status", [403, 407, 502])
def test_where_a_proxy_lets_nothing_through_nothing_was_applied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
) -> None:
    profile(tmp_path, "")
    with serve_proxy(("127.0.0.1", 1)) as proxy:
        proxy.refuses = status
        monkeypatch.setenv("HTTPS_PROXY", proxy.url_for("u:secret"))
        target = LambdaTarget("f", AwsOptions("p", "cn-north-1"), sleep=lambda _: None)
        with pytest.raises(SldbError) as caught:
            target.send(Request((Statement("insert into t values (1)"),)))
    assert proxy.hosts == {"lambda.cn-north-1.amazonaws.com.cn"}
    assert (caught.value.exit_code, caught.value.details["applied"]) == (3, "no")
    assert f"({status} No)" in caught.value.message
    assert "PROXY" in caught.value.hint
    assert "secret" not in caught.value.message


HOST = "lambda.cn-north-1.amazonaws.com.cn"


class TestTls:
    """Lambda at its own name in China, behind a proxy that wants a password and speaks TLS, or does not."""

    @pytest.fixture(params=["http", "https"])
    def proxy(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> Iterator[ForwardProxy]:
        profile(tmp_path, "region = cn-north-1")
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        authority = Authority(tmp_path)
        certificate = authority.issue("127.0.0.1") if request.param == "https" else None
        with serve_lambda(authority.issue(HOST)) as service:
            service.target.connection.execute("create table t(a)")
            service.function = "f"
            url = urlsplit(service.url)
            with serve_proxy((str(url.hostname), int(url.port or 0)), certificate) as proxy:
                proxy.user = "u:secret"
                monkeypatch.setenv("HTTPS_PROXY", proxy.url_for("u:secret"))
                yield proxy

    @pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    def test_certificates_of_ones_own_are_trusted(
        self, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
    ) -> None:
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
        target = LambdaTarget("f", AwsOptions("p"))
        assert target.send(Request((Statement("select 1"),))).rows == [(1,)]
        target.close()
        plain = PlainHttp(AwsOptions("p"), 10)  # by which a push goes to addresses that are signed
        assert plain.exchange("PUT", f"https://{HOST}/", b"", {}).status == HTTPStatus.NOT_IMPLEMENTED
        plain.close()
        assert proxy.seen == [f"CONNECT {HOST}:443"] * 2

    def test_others_are_not_and_nothing_was_applied(self, proxy: ForwardProxy) -> None:
        with pytest.raises(SldbError, match=r"CERTIFICATE_VERIFY_FAILED|proxy") as caught:
            LambdaTarget("f", AwsOptions("p"), lambda _: None).send(Request((Statement("insert into t values (1)"),)))
        assert caught.value.details["applied"] == "no"
        assert ("HTTPS_PROXY" if proxy.url.startswith("https") else "AWS_CA_BUNDLE") in caught.value.hint
