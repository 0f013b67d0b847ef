"""The access to `sldb serve`: addresses, tokens, Host and Origin."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError
from sldb.destination import is_loopback
from sldb.http.access import Access, host_name

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    Access(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.x"]
)
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(SldbError, match="token"):
        Access(host)
    Access(host, TOKEN)


@pytest.mark.parametrize(
    "token", ["", "short", "0123456789abcde", "0123456789 abcdef", "0123456789abcdé\u0301ef", "\n" * 20]
)
def test_a_token_that_can_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(SldbError, match="token"):
        Access("127.0.0.1", token)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "[::1",
        "localhost.",
        "[::2]",
        "[::1].evil.example",
        "[::1]:80.evil.example",
        "localhost:80@evil.example",
        "localhost:8080.evil.example",
        "localhost, evil.example",
        "localhost:80, evil.example:80",
        "localhost/.evil.example",
        "localhost:",
        " localhost",
    ],
)
def test_a_name_that_is_not_loopbacks_is_refused(host: str) -> None:
    refusal = Access("127.0.0.1").refusal({"host": host}, is_public=True)
    assert refusal is not None
    assert refusal.status == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"])
def test_the_names_of_loopback(host: str) -> None:
    assert Access("127.0.0.1").refusal({"host": host}, is_public=False) is None


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:3000", "https://app.example.evil"]
)
def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    access = Access("127.0.0.1", origins=frozenset({"https://app.example"}))
    refusal = access.refusal({"host": "localhost", "origin": origin}, is_public=True)
    assert refusal is not None
    assert refusal.status == 403
    assert access.refusal({"host": "localhost", "origin": "https://app.example"}, is_public=False) is None


@pytest.mark.parametrize(
    "origin",
    ["null", "*", "", "app.example", "https://", "https://app.example/page", "https://a,https://b", "https://*.a"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """`null` is that of any page in a sandboxed frame."""
    with pytest.raises(SldbError, match="origin"):
        Access("127.0.0.1", origins=frozenset({origin}))


@pytest.mark.parametrize(
    "origin", ["https://app.example", "http://localhost:5173", "chrome-extension://abc", "http://[::1]:1"]
)
def test_an_origin_of_any_scheme_is_one(origin: str) -> None:
    access = Access("127.0.0.1", origins=frozenset({origin}))
    assert access.refusal({"host": "localhost", "origin": origin}, is_public=False) is None


@pytest.mark.parametrize(
    "header",
    [None, "", TOKEN, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_a_request_without_the_token_is_refused(header: str | None) -> None:
    access = Access("0.0.0.0", TOKEN)
    headers = {"host": "db.example"} if header is None else {"host": "db.example", "authorization": header}
    refusal = access.refusal(headers, is_public=False)
    assert refusal is not None
    assert refusal.status == 401
    assert access.refusal(headers, is_public=True) is None


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_the_token_lets_pass(header: str) -> None:
    assert Access("0.0.0.0", TOKEN).refusal({"host": "db", "authorization": header}, is_public=False) is None


def test_a_host_header_without_its_port() -> None:
    assert [host_name(text) for text in ("a:1", "A", "[::1]:2", "")] == ["a", "a", "::1", ""]
