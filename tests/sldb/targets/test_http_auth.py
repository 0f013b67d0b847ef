"""Which credentials an HTTP interface gets, and where they come from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from lambda_handlers.wire import SldbError
from sldb.config.settings import Level, Setting
from sldb.targets.http_auth import AuthSettings, HttpAuth, find_auth

URL = "https://db.example"
SECRETS = {"token": "SLDB_TOKEN", "key": "SLDB_API_KEY"}
NONE = Setting("", "default")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)


def file(tmp_path: Path, secret: str, level: Level = Level.FILE) -> Setting:
    path = tmp_path / f"{secret}.txt"
    path.write_text(f"{secret}\n")
    return Setting(str(path), "config.toml:1", level)


def test_the_environment_comes_before_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = AuthSettings(token_file=file(tmp_path, "from-a-file"))
    assert find_auth(URL, settings) == HttpAuth("token", "from-a-file")
    monkeypatch.setenv("SLDB_TOKEN", "from-the-environment")
    assert find_auth(URL, settings) == HttpAuth("token", "from-the-environment")


def test_without_any_there_is_none() -> None:
    assert find_auth(URL) == HttpAuth("token", None)
    assert find_auth(URL).headers == {}


def test_the_secret_that_is_nearer_decides_the_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token, key = file(tmp_path, "the-token", Level.PROFILE), file(tmp_path, "the-key")
    assert find_auth(URL, AuthSettings(NONE, NONE, key)).kind == "key"
    assert find_auth(URL, AuthSettings(NONE, token, key)).kind == "token"
    monkeypatch.setenv("SLDB_API_KEY", "from-the-environment")
    assert find_auth(URL, AuthSettings(NONE, token, key)) == HttpAuth("key", "from-the-environment")


def test_two_that_are_equally_near_are_a_contradiction(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token, key = file(tmp_path, "the-token"), file(tmp_path, "the-key")
    with pytest.raises(SldbError, match=r"a token .* and an API key") as caught:
        find_auth(URL, AuthSettings(NONE, token, key))
    assert caught.value.code == "bad_request"
    monkeypatch.setenv("SLDB_TOKEN", "one")
    monkeypatch.setenv("SLDB_API_KEY", "two")
    with pytest.raises(SldbError, match=r"SLDB_TOKEN.*SLDB_API_KEY") as caught:
        find_auth(URL)
    assert "one" not in caught.value.message.split()
    chosen = AuthSettings(Setting("key", "SLDB_HTTP_AUTH", Level.ENVIRONMENT))
    assert find_auth(URL, chosen) == HttpAuth("key", "two")


def test_a_chosen_kind_takes_its_own_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLDB_TOKEN", "the-token")
    assert find_auth(URL, AuthSettings(Setting("iam", "config.toml:2"))) == HttpAuth("iam", None)
    assert find_auth(URL, AuthSettings(Setting("key", "config.toml:2"))) == HttpAuth("key", None)
    with pytest.raises(SldbError, match=r"config.toml:2: got 'basic'"):
        find_auth(URL, AuthSettings(Setting("basic", "config.toml:2")))


def test_headers() -> None:
    assert HttpAuth("token", "t").headers == {"Authorization": "Bearer t"}
    assert HttpAuth("key", "k").headers == {"x-api-key": "k"}
    assert HttpAuth("iam").headers == {}
    assert "a-secret" not in repr(HttpAuth("token", "a-secret"))


@pytest.mark.parametrize("kind", ["token", "key"])
def test_a_keyring_that_is_installed_is_asked(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    keyring.get_password = lambda service, name: f"{service} {name}".replace(" ", "-")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert find_auth(URL, AuthSettings(Setting(kind, "config.toml:1"))) == HttpAuth(kind, f"sldb-{URL}")


@pytest.mark.parametrize("secret", ["a b", "a\nb", "é", "a\r\nX: 1"])
@pytest.mark.parametrize("variable", SECRETS.values())
def test_a_secret_that_is_no_header_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, secret: str
) -> None:
    monkeypatch.setenv(variable, secret)
    with pytest.raises(SldbError) as caught:
        find_auth(URL)
    assert caught.value.code == "bad_request"
    assert secret not in caught.value.message


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    settings = AuthSettings(api_key_file=Setting(str(tmp_path / "missing"), "SLDB_API_KEY_FILE", Level.ENVIRONMENT))
    with pytest.raises(SldbError, match="API key file"):
        find_auth(URL, settings)
