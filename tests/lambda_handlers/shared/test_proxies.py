"""Every connection of the server's code goes through the proxy that botocore would take, and trusts whom it would."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.aws.ec2 import Ambiguous, Ec2Client, Ec2Error
from lambda_handlers.settings import BadSetting, Credentials, Settings
from lambda_handlers.shared.proxies import authorization, proxy_for
from lambda_handlers.store import s3 as s3_store
from lambda_handlers.store import s3_requests
from lambda_handlers.store.protocol import ObjectStore, Refused, StoreError
from lambda_handlers.store.s3 import ObstoreStore, open_s3
from tests.fakes.clock import Clock
from tests.fakes.network.certificates import Authority
from tests.fakes.network.forward_proxy import ForwardProxy, serve_proxy
from tests.fakes.stores.scripted_s3 import BUCKET, ScriptedS3, serve_s3

KEYS = Credentials("k", "s")
LARGE = 17 << 20  # goes in parts
CHINA = {"s3.cn-north-1.amazonaws.com.cn", "ec2.cn-north-1.amazonaws.com.cn"}

PROXIES = ("", "http://a:1", "https://b:2", "c:3", "//d:4", "http://u:p@e:5")
NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "Https_Proxy", "all_proxy")
EXCEPTIONS = ("", "*", "s3.test", ".test", " est, S3.TEST", "s3.test:443", "s3.test:9,x", "127.0.0.0/8", "127.0.0.1")
URLS = ("http://s3.test", "https://s3.test:443/b", "https://S3.Test", "http://127.0.0.1:9000", "https://[::1]:9000")


@given(
    proxies=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(PROXIES)),
    exceptions=st.dictionaries(st.sampled_from(("no_proxy", "NO_PROXY")), st.sampled_from(EXCEPTIONS)),
    url=st.sampled_from(URLS),
    is_cgi=st.booleans(),
)
def test_the_proxy_is_the_one_that_botocore_takes(
    proxies: dict[str, str], exceptions: dict[str, str], url: str, is_cgi: bool
) -> None:
    environment = {**proxies, **exceptions, **({"REQUEST_METHOD": "GET"} if is_cgi else {})}
    with pytest.MonkeyPatch.context() as patch:
        for name in (*NAMES, "no_proxy", "NO_PROXY", "REQUEST_METHOD"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(urllib.request, "getproxies", urllib.request.getproxies_environment)
        want = ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url)
    assert proxy_for(url, environment) == (want or None)


def test_a_user_of_a_proxy_is_quoted_in_its_url() -> None:
    assert authorization("http://me%40home:p%3Aw@proxy:1") == "Basic bWVAaG9tZTpwOnc="
    assert authorization("http://proxy:1") is None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["http", "https"])
def s3(request: pytest.FixtureRequest, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    monkeypatch.setattr(s3_store, "RETRIES", 0)
    for module in (s3_store, s3_requests):
        monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)
    certificate = authority.issue("aws", "aws.test", "127.0.0.1", *CHINA) if request.param == "https" else None
    with serve_s3(certificate) as s3:
        yield s3


@pytest.fixture(params=["plain", "tls"])
def proxy(request: pytest.FixtureRequest, s3: ScriptedS3, authority: Authority) -> Iterator[ForwardProxy]:
    """With "tls", the way to the proxy itself is TLS."""
    url = urlsplit(s3.url)
    certificate = authority.issue("127.0.0.1") if request.param == "tls" else None
    with serve_proxy((str(url.hostname), int(url.port or 0)), certificate) as proxy:
        yield proxy


@pytest.fixture
def environment(s3: ScriptedS3, authority: Authority) -> dict[str, str]:
    """Of a function whose AWS cannot be had but by a proxy."""
    scheme, port = urlsplit(s3.url).scheme, urlsplit(s3.url).port
    return {
        "SLDB_STORE": f"s3://{BUCKET}/p",
        "AWS_ENDPOINT_URL": f"{scheme}://aws.test:{port}",
        "AWS_CA_BUNDLE": str(authority.bundle),
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }


@pytest.fixture
def opened() -> Iterator[Callable[[Settings], ObstoreStore]]:
    made: list[ObstoreStore] = []

    def opened(settings: Settings) -> ObstoreStore:
        made.append(open_s3(settings, BUCKET, "p"))
        return made[-1]

    yield opened
    for store in made:
        store.close()


def through(proxy: ForwardProxy, environment: dict[str, str], user: str = "") -> Settings:
    url = proxy.url_for(user) if user else proxy.url
    return Settings.from_environment({**environment, "HTTP_PROXY": url, "HTTPS_PROXY": url})


def ask_everything(store: ObjectStore, settings: Settings) -> None:
    """Of each client: obstore with its retries and without, our own of S3, and that of EC2."""
    store.put("a", b"1")
    assert store.get("a") == b"1"
    store.create("b", b"2")
    store.create_from("large", iter([bytes(LARGE)]))
    assert [info.key for info in store.list_objects("")]
    client = Ec2Client(settings.region, KEYS, settings.ec2)
    client.delete_security_group("sg-1")
    client.delete_security_group("sg-1")
    client.close()


@pytest.mark.parametrize("user", ["", "me:p%40ss"])
def test_every_client_goes_by_the_proxy(
    s3: ScriptedS3, proxy: ForwardProxy, environment: dict[str, str], opened: Callable[..., ObjectStore], user: str
) -> None:
    proxy.user = user.replace("%40", "@")
    settings = through(proxy, environment, user)
    ask_everything(opened(settings), settings)

    assert proxy.hosts == {"aws.test"}  # a name that nobody but the proxy knows
    assert {"PUT", "GET", "CREATE", "BEGIN", "PART", "COMPLETE", "LIST"} <= set(s3.calls)
    assert all("proxy-authorization" not in ask.headers for ask in s3.asked)


def test_a_connection_by_the_proxy_is_kept_and_replaced(
    s3: ScriptedS3, proxy: ForwardProxy, environment: dict[str, str]
) -> None:
    clock = Clock()
    settings = through(proxy, environment)
    client = Ec2Client(settings.region, KEYS, settings.ec2, clock.now)
    for pause in (0, 1, 600):
        clock.time += pause
        client.delete_security_group("sg-1")
    client.close()
    tunnels = len([told for told in proxy.seen if told.startswith("CONNECT")])
    assert tunnels == (2 if s3.url.startswith("https") else 0)
    assert s3.wait_for_connections(0)


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*", "example.org, 127.0.0.1"])
def test_what_is_excepted_is_asked_directly(
    s3: ScriptedS3,
    proxy: ForwardProxy,
    environment: dict[str, str],
    opened: Callable[..., ObjectStore],
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
) -> None:
    environment.update(NO_PROXY=no_proxy, AWS_ENDPOINT_URL=s3.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)  # obstore would take these by itself
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    settings = through(proxy, environment)
    ask_everything(opened(settings), settings)

    assert proxy.seen == []


@pytest.mark.parametrize("status", [407, 403, 502])
def test_a_proxy_that_refuses_lets_nothing_through(
    s3: ScriptedS3, proxy: ForwardProxy, environment: dict[str, str], opened: Callable[..., ObjectStore], status: int
) -> None:
    proxy.refuses = status
    settings = through(proxy, environment)
    store = opened(settings)
    for ask in (
        lambda: store.put("a", b"1"),
        lambda: store.create("a", b"1"),
        lambda: store.create_from("a", iter([bytes(LARGE)])),
    ):
        with pytest.raises(StoreError) as caught:
            ask()
        # What a proxy says of plain HTTP may be of those behind it, but for its own 407 and a 403.
        if s3.url.startswith("https") or status != 502:
            assert caught.value.is_unmade or isinstance(caught.value, Refused)
    with pytest.raises(Ec2Error):
        Ec2Client(settings.region, KEYS, settings.ec2).delete_security_group("sg-1")
    assert s3.asked == []


class TestHostsWithoutAnEndpoint:
    """In a partition of its own, nothing but the region and AWS::URLSuffix says where AWS is."""

    @pytest.fixture(params=["https"])
    def s3(self, s3: ScriptedS3) -> ScriptedS3:
        return s3

    def test_all_clients_go_to_the_same_hosts(
        self,
        s3: ScriptedS3,
        proxy: ForwardProxy,
        environment: dict[str, str],
        opened: Callable[..., ObjectStore],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        del environment["AWS_ENDPOINT_URL"]
        environment.update(AWS_REGION="cn-north-1", SLDB_URL_SUFFIX="amazonaws.com.cn")
        settings = through(proxy, environment)
        store = opened(settings)
        ask_everything(store, settings)

        assert proxy.hosts == CHINA
        (url,) = store.presign("GET", ["a"], 60) or []
        assert url.startswith(f"https://s3.cn-north-1.amazonaws.com.cn/{BUCKET}/p/a?")


class TestTrust:
    @pytest.fixture(params=["https"])
    def s3(self, s3: ScriptedS3) -> ScriptedS3:
        return s3

    @pytest.mark.parametrize("variables", [{}, {"AWS_CA_BUNDLE": ""}])
    def test_strangers_get_nothing(
        self,
        s3: ScriptedS3,
        proxy: ForwardProxy,
        environment: dict[str, str],
        opened: Callable[..., ObjectStore],
        variables: dict[str, str],
    ) -> None:
        del environment["AWS_CA_BUNDLE"]
        settings = through(proxy, {**environment, **variables})
        store = opened(settings)
        for ask in (lambda: store.put("a", b"1"), lambda: store.create_from("a", iter([bytes(LARGE)]))):
            with pytest.raises(StoreError):
                ask()
        with pytest.raises(Ambiguous, match="certificate verify failed"):
            Ec2Client(settings.region, KEYS, settings.ec2).delete_security_group("sg-1")
        assert s3.asked == []

    def test_the_variable_of_requests_holds_where_there_is_none_of_awss(
        self, s3: ScriptedS3, proxy: ForwardProxy, environment: dict[str, str], opened: Callable[..., ObjectStore]
    ) -> None:
        environment["REQUESTS_CA_BUNDLE"] = environment.pop("AWS_CA_BUNDLE")
        settings = through(proxy, environment)
        ask_everything(opened(settings), settings)

    def test_a_bundle_that_is_not_there_is_a_bad_setting(
        self, environment: dict[str, str], opened: Callable[..., Any], tmp_path: Path
    ) -> None:
        settings = Settings.from_environment(environment)
        (tmp_path / "none.pem").write_text("no certificate")
        for name in ("nowhere.pem", "none.pem", ""):
            with pytest.raises(BadSetting, match="AWS_CA_BUNDLE"):
                opened(replace(settings, ca_bundle=str(tmp_path / name)))


@pytest.mark.parametrize("proxy_url", ["socks5://x:1", "http://x:99999", "http://u:secret@", "ftp://u:secret@x"])
def test_a_proxy_that_cannot_be_one_is_a_bad_setting(proxy_url: str) -> None:
    environment = {"SLDB_STORE": "s3://b", "HTTPS_PROXY": proxy_url}
    with pytest.raises(BadSetting, match="HTTPS_PROXY") as caught:
        open_s3(Settings.from_environment(environment), "b", "")
    assert "secret" not in str(caught.value)
    open_s3(Settings.from_environment({**environment, "NO_PROXY": "*"}), "b", "")  # it is for others
