"""Identities: the keys of entries in the access document. Pure.

    token:<id>      a token of sldb's own
    key:<id>        an API key of API Gateway, by its id, which is no secret
    iam:<ARN>       an IAM user or role, without its path: names are unique in an account, and the ARN of a session
                    lacks the path of its role
    jwt:<sub>       the subject of a JWT of the API's issuer

The ARNs are those of "IAM identifiers" in the IAM user guide: `arn:aws:iam::ACCOUNT:role/PATH/NAME`, and for a session
of the role `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`. A role that is deleted and made again has the same one.
"""

from __future__ import annotations

import re

from lambda_handlers.access.tokens import TOKEN_ID

_API_KEY_ID = re.compile(r"[A-Za-z0-9]{1,128}")
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_NAME = r"[A-Za-z0-9_+=,.@-]"
_PRINCIPAL = re.compile(
    rf"arn:(?P<partition>[a-z0-9-]{{1,32}}):iam::(?P<account>\d{{12}}):"
    rf"(?P<kind>user|role)/(?:[!-.0-~]{{1,128}}/){{0,64}}(?P<name>{_NAME}{{1,64}})",
    re.ASCII,
)
_SESSION = re.compile(
    rf"arn:(?P<partition>[a-z0-9-]{{1,32}}):sts::(?P<account>\d{{12}}):"
    rf"assumed-role/(?P<name>{_NAME}{{1,64}})/{_NAME}{{1,64}}",
    re.ASCII,
)


def token_identity(token_id: str) -> str:
    """Return the identity of a token. Raises ValueError, as the other functions here, for what is none."""
    return "token:" + _checked(TOKEN_ID, token_id, "id of a token")


def key_identity(api_key_id: str) -> str:
    """Return the identity of an API key, by its id."""
    return "key:" + _checked(_API_KEY_ID, api_key_id, "id of an API key")


def jwt_identity(subject: str) -> str:
    """Return the identity of the subject of a JWT."""
    return "jwt:" + _checked(_SUBJECT, subject, "subject of a JWT")


def iam_identity(arn: str) -> str:
    """Return the identity of an IAM user or role; for a session of a role, that of the role."""
    found = _PRINCIPAL.fullmatch(arn)
    kind = found["kind"] if found else "role"
    found = found or _SESSION.fullmatch(arn)
    if found is None:
        raise ValueError(f"{arn!r} is no ARN of an IAM user, a role, or a session of a role")
    return f"iam:arn:{found['partition']}:iam::{found['account']}:{kind}/{found['name']}"


def check_identity(identity: str) -> str:
    """Return an identity. Raises ValueError for a text that is none, or that is not written as the functions here
    write it."""
    kind, _, value = identity.partition(":")
    if kind not in _MAKERS or _MAKERS[kind](value) != identity:
        raise ValueError(f"{identity!r} is no identity: token:ID, key:ID, iam:ARN (without a path) or jwt:SUB")
    return identity


def _checked(form: re.Pattern[str], text: str, want: str) -> str:
    if not form.fullmatch(text):
        raise ValueError(f"{text!r} is no {want}")
    return text


_MAKERS = {"token": token_identity, "key": key_identity, "iam": iam_identity, "jwt": jwt_identity}
