"""Tokens: what is made is read, and nothing else is."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access import tokens
from lambda_handlers.access.tokens import BadToken, key_id_of, make_token, new_id, read_token

SECRET = "s" * 64
ID = new_id(bytes(range(16)))
TOKEN = make_token(ID, SECRET)

secrets = st.text(st.characters(codec="utf-8"), min_size=32, max_size=80)
ids = st.binary(min_size=16, max_size=16).map(new_id)
CLAIMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "id", "kid", "name", "alg"]), inner)
    ),
)
shown = st.text(string.ascii_letters + string.digits + ":.-+", max_size=64)


def encoded(claims: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


@pytest.mark.long
@given(ids, secrets, secrets, shown, shown)
def test_what_is_made_is_read_and_signed_by_its_key_alone(
    token_id: str, secret: str, other: str, name: str, scope: str
) -> None:
    token = read_token(make_token(token_id, secret, name=name, scope=scope))
    assert token.claims == tokens.Claims(token_id, key_id_of(secret), name, scope)
    assert token.is_signed_by(secret)
    assert token.is_signed_by(other) == (secret == other)


def is_accepted(text: str) -> bool:
    try:
        return read_token(text).is_signed_by(SECRET)
    except BadToken:
        return False


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="utf-8"))
def test_a_token_with_one_other_character_is_refused(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert is_accepted(changed) == (changed == TOKEN)


def test_a_token_with_one_other_byte_is_refused_at_each_place() -> None:
    """Each of the 256 bytes at each place: base64 of 32 bytes has two bits at its end that decoders ignore."""
    accepted = {
        changed
        for position in range(len(TOKEN))
        for byte in range(256)
        if is_accepted(changed := TOKEN[:position] + chr(byte) + TOKEN[position + 1 :])
    }
    assert accepted == {TOKEN}


@given(st.integers(0, len(TOKEN) - 1), st.integers(0, len(TOKEN)))
def test_a_part_of_a_token_is_refused(start: int, end: int) -> None:
    part = TOKEN[start:end]
    assert is_accepted(part) == (part == TOKEN)


@given(st.text())
def test_no_text_raises_anything_but_its_own_error(text: str) -> None:
    for candidate in (text, f"sldb_{text}.{'A' * 43}", f"{TOKEN}{text}"):
        assert is_accepted(candidate) == (candidate == TOKEN)


@given(CLAIMS)
def test_no_claims_raise_anything_but_their_own_error(claims: object) -> None:
    assert not is_accepted(f"sldb_{encoded(claims)}.{'A' * 43}")


@pytest.mark.parametrize(
    "claims",
    [
        {"v": True, "id": ID, "kid": "00000000"},
        {"v": 1.0, "id": ID, "kid": "00000000"},
        {"v": 2, "id": ID, "kid": "00000000"},
        {"v": 1, "id": ID},
        {"v": 1, "id": ID.upper(), "kid": "00000000"},
        {"v": 1, "id": ID + "\n", "kid": "00000000"},
        {"v": 1, "id": ID, "kid": "../../main"},
        {"v": 1, "id": ID, "kid": ["00000000"]},
        {"v": 1, "id": ID, "kid": "00000000", "name": 1},
        [1],
    ],
)
def test_claims_of_another_form_are_refused(claims: object) -> None:
    with pytest.raises(BadToken):
        read_token(f"sldb_{encoded(claims)}.{'A' * 43}")


def test_claims_that_are_nested_too_deep_are_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 690).decode().rstrip("=")
    with pytest.raises(BadToken):
        read_token(f"sldb_{deep}.{'A' * 43}")


def test_a_huge_text_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(text: str) -> tokens.Claims:
        raise AssertionError("its claims are decoded")

    monkeypatch.setattr(tokens, "_claims", decode)
    with pytest.raises(BadToken):
        read_token(f"sldb_{'A' * 1_000_000}.{'A' * 43}")


def test_an_error_has_nothing_of_the_token() -> None:
    with pytest.raises(BadToken) as caught:
        read_token(f"sldb_{encoded('a-secret')}.{'A' * 43}")
    assert "a-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def compare(left: object, right: object) -> bool:
        compared.append((left, right))
        return False

    monkeypatch.setattr("lambda_handlers.access.tokens.hmac.compare_digest", compare)
    assert not read_token(TOKEN).is_signed_by(SECRET)
    assert [len(str(side)) for pair in compared for side in pair] == [43, 43]


@pytest.mark.parametrize("secret", ["", "s" * 31])
def test_a_short_text_is_no_signing_key(secret: str) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        make_token(ID, secret)


def test_a_token_of_another_form_is_not_made() -> None:
    with pytest.raises(ValueError, match="no id of a token"):
        make_token("x", SECRET)
    with pytest.raises(ValueError, match="1024 are allowed"):
        make_token(ID, SECRET, name="n" * 1024)
    with pytest.raises(ValueError, match="16 random bytes"):
        new_id(b"short")


def test_a_token_looks_like_this() -> None:
    assert make_token("abcdefghijklmnopqrstuvwxyz", "0123456789abcdef" * 4, scope="read") == (
        "sldb_eyJ2IjoxLCJpZCI6ImFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6Iiwia2lkIjoiYThhZTZlNmUiLCJzY29wZSI6InJlYWQifQ"
        ".Z7-TE2AdaF3CPznrZliZz4iv5nio8_5z_DV2Ilpjerk"
    )
