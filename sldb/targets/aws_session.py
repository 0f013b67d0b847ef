"""Sessions of the AWS libraries, with the profile and the region that the user chose.

A role that asks for an MFA code asks on the terminal only: botocore itself falls back to standard input, and would take
a line of what is piped into the command for the code.
"""

from __future__ import annotations

import getpass
import os
import sys
from typing import TYPE_CHECKING

import botocore.session

from lambda_handlers.wire import SldbError
from sldb.targets.protocol import AwsOptions

if TYPE_CHECKING:
    import boto3

CODE_HINT = (
    "run it on a terminal, or get credentials beforehand and leave the profile out: "
    "aws sts assume-role --serial-number … --token-code …, then set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_SESSION_TOKEN"
)


def botocore_session(options: AwsOptions) -> botocore.session.Session:
    """Raises BotoCoreError where there is no such profile."""
    session = botocore.session.Session(profile=options.profile)
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
