"""Sessions of the AWS libraries, with the profile and the region that the user chose.

A role that asks for an MFA code asks on the terminal only: botocore itself falls back to standard input, and would take
a line of what is piped into the command for the code.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from lambda_handlers.wire import SldbError
from sldb.aws.endpoints import check_way, configured_url
from sldb.aws.options import AwsOptions

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import ReadOnlyCredentials

CREDENTIALS_HINT = "mend that, choose another profile (--profile), or run `aws configure`"
SETTINGS_HINT = "look at the variables that begin with AWS_, and at the profile in ~/.aws/config"
_CREDENTIAL_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
CODE_HINT = (
    "run it on a terminal, or get credentials beforehand and leave the profile out: "
    "aws sts assume-role --serial-number … --token-code …, then set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_SESSION_TOKEN"
)


class _Session(botocore.session.Session):
    """Fetches credentials at once, and calls what goes wrong by its name.

    botocore runs and reads what the user's settings name (a program, a file with a token, an address in a container),
    some of it when the first request is signed, and lets the errors of that through as they come: a file that is
    missing, a text that is no JSON, a date that is none."""

    def get_credentials(self) -> Any:
        with _settings_errors(f"no AWS credentials{self._origin()}", CREDENTIALS_HINT):
            found = super().get_credentials()
            if found is not None:
                _check_characters(found.get_frozen_credentials())
            return found

    def _origin(self) -> str:
        """Where they would come from, as far as that is a setting."""
        process = self.get_scoped_config().get("credential_process")
        named = [f"credential_process ({str(process).split(maxsplit=1)[0]} …)"] if process else []
        named += [name for name in _CREDENTIAL_VARIABLES if os.environ.get(name)]
        return f" from {' or '.join(named)}" if named else ""

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        configured_url(self, service_name)
        with _settings_errors("the AWS settings make no sense", SETTINGS_HINT):
            client = super().create_client(service_name, *args, **kwargs)
        check_way(self, client.meta.endpoint_url, service_name)
        return client


def _check_characters(credentials: ReadOnlyCredentials) -> None:
    """Raise ValueError for what no header can carry, a line break most likely: the HTTP client would print the secret
    with its error."""
    parts = ("access key id", credentials.access_key), ("secret", credentials.secret_key), ("token", credentials.token)
    for name, value in parts:
        if value and not (value.isascii() and value.isprintable()):
            raise ValueError(f"the {name} has characters that none can have (a line break, perhaps)")


@contextmanager
def _settings_errors(what: str, hint: str) -> Iterator[None]:
    """What botocore does not call an error of its own, and is one of the settings that it was given."""
    try:
        yield
    except (BotoCoreError, ClientError, SldbError):
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise SldbError("store_error", f"{what}: {said}", hint, applied="no") from error


def botocore_session(options: AwsOptions) -> botocore.session.Session:
    """Raises BotoCoreError where there is no such profile."""
    with _settings_errors("the AWS settings make no sense", SETTINGS_HINT):
        session = _Session(profile=options.profile)
        # There is no public way to say who asks.
        session.get_component("credential_provider").get_provider("assume-role")._prompter = ask_for_code
    return session


def boto3_session(options: AwsOptions) -> boto3.Session:
    """Raises BotoCoreError where there is no such profile."""
    import boto3

    return boto3.Session(botocore_session=botocore_session(options), region_name=options.region)


def ask_for_code(prompt: str) -> str:
    """Return the MFA code that the user types. Raises SldbError `store_error` where there is no terminal to ask on."""
    if not _has_terminal():
        what = "the profile's role wants an MFA code, and there is no terminal to ask for it on"
        raise SldbError("store_error", what, CODE_HINT)
    return getpass.getpass(prompt)


def _has_terminal() -> bool:
    """Whether getpass would ask a person: it takes the controlling terminal, whatever standard input is."""
    if sys.platform == "win32":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
