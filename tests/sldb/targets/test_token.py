"""Where the token for an HTTP interface comes from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from lambda_handlers.wire import SldbError
from sldb.targets.token import find_token

URL = "https://db.example"


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLDB_TOKEN", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    assert find_token(URL, str(file)) == "from-a-file"
    monkeypatch.setenv("SLDB_TOKEN", "from-the-environment")
    assert find_token(URL, str(file)) == "from-the-environment"


def test_without_any_there_is_none() -> None:
    assert find_token(URL) is None


def test_a_keyring_that_is_installed_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    keyring.get_password = lambda service, name: f"{service} {name}".replace(" ", "-")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert find_token(URL) == f"sldb-{URL}"


@pytest.mark.parametrize("token", ["a b", "a\nb", "é", "a\r\nX: 1"])
def test_a_token_that_is_no_header_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("SLDB_TOKEN", token)
    with pytest.raises(SldbError) as caught:
        find_token(URL)
    assert caught.value.code == "bad_request"
    assert token not in caught.value.message


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SldbError, match="token file"):
        find_token(URL, str(tmp_path / "missing"))
