"""The keys that sign the tokens of a stack: versions of a secret of Secrets Manager.

AWSCURRENT signs. AWSPREVIOUS, the one before, signs no more, and its tokens are accepted as long as the access document
has its id. CloudFormation makes the first key with the stack.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.access.tokens import key_id_of
from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors

SECRET_CHARACTERS = 64
_ALPHABET = string.ascii_letters + string.digits
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


@dataclass(frozen=True, slots=True)
class SigningKey:
    secret: str = field(repr=False)
    key_id: str
    created_ms: int  # unix milliseconds


@dataclass(frozen=True, slots=True)
class SigningKeys:
    client: Any  # of Secrets Manager
    secret_arn: str

    def current(self) -> SigningKey:
        """Return the current key. Raises SldbError."""
        from botocore.exceptions import ClientError

        with aws_errors("read the signing key of the stack"):
            try:
                found = self.client.get_secret_value(SecretId=self.secret_arn, VersionStage=CURRENT)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
                what = "the secret that signs tokens is gone, and all tokens with it"
                raise SldbError("store_error", what, "`sldb deploy` repairs it", applied="no") from error
        return SigningKey(found["SecretString"], _key_id(found), int(found["CreatedDate"].timestamp() * 1000))

    def previous_id(self) -> str | None:
        """Return the id of the key before the current one, None if there was none. Raises SldbError."""
        from botocore.exceptions import ClientError

        with aws_errors("read the signing key of the stack"):
            try:
                found = self.client.get_secret_value(SecretId=self.secret_arn, VersionStage=PREVIOUS)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return None
                raise
        return _key_id(found)

    def made_ms(self) -> int:
        """Return when the secret was made, in unix milliseconds; a key of it is no older. Raises SldbError."""
        with aws_errors("read the age of the signing key of the stack"):
            found = self.client.describe_secret(SecretId=self.secret_arn)
        return int(found["CreatedDate"].timestamp() * 1000)

    def replace(self, secret: str) -> None:
        """Have another key sign from now on. Raises SldbError."""
        with aws_errors("replace the signing key of the stack"):
            self.client.put_secret_value(SecretId=self.secret_arn, SecretString=secret)


def new_secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARACTERS))


def _key_id(found: Any) -> str:
    try:
        return key_id_of(found["SecretString"])
    except (KeyError, ValueError):
        raise SldbError(
            "corrupt",
            "the signing key of the stack is too short, or not a text",
            "`sldb token rotate --now` makes another one",
        ) from None  # whose text might have the key
