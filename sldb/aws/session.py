"""Sessions of the AWS libraries, with the user's profile and region.

An MFA code is asked for on the terminal only: botocore itself falls back to standard input, and would take a line of
piped input for the code.
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
from sldb.aws.endpoints import check_connection_settings, configured_url
from sldb.aws.options import AwsOptions

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import ReadOnlyCredentials

CREDENTIALS_HINT = "correct that, choose another profile (--profile), or run `aws configure`"
SETTINGS_HINT = "check the variables that begin with AWS_, and the profile in ~/.aws/config"
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
    """A session that fetches credentials at once, and reports errors in the settings as such.

    botocore runs and reads the sources in the user's settings (a program, a file with a token, an address in a
    container), some of them when the first request is signed, and lets their errors through unchanged: a missing file,
    invalid JSON, an invalid date."""

    def get_credentials(self) -> Any:
        with _settings_errors(f"no AWS credentials{self._origin()}", CREDENTIALS_HINT):
            found = super().get_credentials()
            if found is not None:
                _check_characters(found.get_frozen_credentials())
            return found

    def _origin(self) -> str:
        """Return the configured source of the credentials in words; empty if none is configured."""
        process = self.get_scoped_config().get("credential_process")
        named = [f"credential_process ({str(process).split(maxsplit=1)[0]} …)"] if process else []
        named += [name for name in _CREDENTIAL_VARIABLES if os.environ.get(name)]
        return f" from {' or '.join(named)}" if named else ""

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        configured_url(self, service_name)
        with _settings_errors("the AWS settings are invalid", SETTINGS_HINT):
            client = super().create_client(service_name, *args, **kwargs)
        check_connection_settings(self, client.meta.endpoint_url, service_name)
        return client


def _check_characters(credentials: ReadOnlyCredentials) -> None:
    """Raise ValueError for characters that are invalid in a header, a line break most likely: the HTTP client would
    print the secret with its error."""
    parts = ("access key id", credentials.access_key), ("secret", credentials.secret_key), ("token", credentials.token)
    for name, value in parts:
        if value and not (value.isascii() and value.isprintable()):
            raise ValueError(f"the {name} has characters that are not allowed in it (perhaps a line break)")


@contextmanager
def _settings_errors(what: str, hint: str) -> Iterator[None]:
    """Raise SldbError for an error in the settings that botocore does not turn into one of its own."""
    try:
        yield
    except (BotoCoreError, ClientError, SldbError):
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise SldbError("store_error", f"{what}: {said}", hint, applied="no") from error


def botocore_session(options: AwsOptions) -> botocore.session.Session:
    """Return a session for the user's profile. Raises BotoCoreError if there is no such profile."""
    with _settings_errors("the AWS settings are invalid", SETTINGS_HINT):
        session = _Session(profile=options.profile)
        # There is no public way to set the prompter.
        session.get_component("credential_provider").get_provider("assume-role")._prompter = prompt_for_code
    return session


def boto3_session(options: AwsOptions) -> boto3.Session:
    """Return a session for the user's profile and region. Raises BotoCoreError if there is no such profile."""
    import boto3

    return boto3.Session(botocore_session=botocore_session(options), region_name=options.region)


def prompt_for_code(prompt: str) -> str:
    """Return the user's MFA code. Raises SldbError `store_error` if there is no terminal."""
    if not _has_terminal():
        what = "the profile's role requires an MFA code, and there is no terminal to ask for it on"
        raise SldbError("store_error", what, CODE_HINT)
    return getpass.getpass(prompt)


def _has_terminal() -> bool:
    """Return True if getpass would ask a person: it takes the controlling terminal, independently of standard input."""
    if sys.platform == "win32":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
