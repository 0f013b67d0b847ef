"""Identities: one text for each caller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.access.identities import check_identity, iam_identity, jwt_identity, key_identity, token_identity

ACCOUNT = "123456789012"
ROLE = f"iam:arn:aws:iam::{ACCOUNT}:role/App"


@pytest.mark.parametrize(
    ("arn", "identity"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/App", ROLE),
        (f"arn:aws:iam::{ACCOUNT}:role/team/prod/App", ROLE),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/App/i-0abc", ROLE),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/App/ada@example.com", ROLE),
        (f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/App/s", f"iam:arn:aws-cn:iam::{ACCOUNT}:role/App"),
        (f"arn:aws:iam::{ACCOUNT}:user/ada", f"iam:arn:aws:iam::{ACCOUNT}:user/ada"),
        (f"arn:aws:iam::{ACCOUNT}:user/team/ada", f"iam:arn:aws:iam::{ACCOUNT}:user/ada"),
    ],
)
def test_a_principal_has_one_identity_whatever_its_path_and_session(arn: str, identity: str) -> None:
    assert iam_identity(arn) == identity == check_identity(identity)


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "App",
        "*",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:iam::{ACCOUNT}:role/",
        f"arn:aws:iam::{ACCOUNT}:role/*",
        f"arn:aws:iam::{ACCOUNT}:group/App",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/App",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/team/App/session",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/App/session\n",
        f"arn:aws:sts::{ACCOUNT}:federated-user/App",
        f"arn:aws:iam::{ACCOUNT}:assumed-role/App/session",
        f"arn:aws:sts::{ACCOUNT}:role/App",
        "arn:aws:iam::1234:role/App",
        f"arn:aws:iam:us-east-1:{ACCOUNT}:role/App",
        f"arn:aws:iam::{ACCOUNT}:role/{'a/' * 500}App",
    ],
)
def test_other_arns_are_refused(arn: str) -> None:
    with pytest.raises(ValueError, match="no ARN"):
        iam_identity(arn)


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "token:",
        "token:short",
        "token:" + "A" * 26,
        "key:a/b",
        "jwt:",
        "jwt:a\nb",
        f"iam:arn:aws:iam::{ACCOUNT}:role/team/App",
        f"iam:arn:aws:sts::{ACCOUNT}:assumed-role/App/session",
        "operator:",
        "a" * 26,
    ],
)
def test_other_texts_are_no_identities(identity: str) -> None:
    with pytest.raises(ValueError, match=" is no "):
        check_identity(identity)


@pytest.mark.long
@given(st.text(), st.sampled_from([token_identity, key_identity, jwt_identity, iam_identity]))
def test_what_is_made_of_any_text_is_an_identity_or_an_error(text: str, make: object) -> None:
    try:
        identity = make(text)  # type: ignore[operator]
    except ValueError:
        return
    assert check_identity(identity) == identity


def test_one_text_of_two_kinds_is_two_identities() -> None:
    assert key_identity("a" * 26) != token_identity("a" * 26) != jwt_identity("a" * 26)
