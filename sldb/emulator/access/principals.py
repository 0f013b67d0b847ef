"""The callers: access keys of running containers, each with the role of its function; of sessions of assumed roles; and
of users.

Any other key is the account's owner, like the user at the keyboard, and may do everything.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from moto.core.utils import utcnow

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto

_PREFIXES = ("AKIA", "ASIA")  # of AWS's keys, moto's too; those of the owner are what a user has made up


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)  # "" of a user


@dataclass(frozen=True, slots=True)
class Principal:
    """A session of a role, such as a function's, or a user."""

    entity_arn: str  # the role or the user: its policies apply
    session: str  # such as the function's name; "" of a user
    credentials: Credentials
    function_arn: str = ""  # of the function with the role
    is_isolated: bool = False  # in a network without a way to AWS

    @property
    def arn(self) -> str:
        """The ARN of the caller, which names no path of a role."""
        if not self.session:
            return self.entity_arn
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.entity_arn.rpartition('/')[2]}/{self.session}"


class Principals:
    def __init__(self, moto: Moto) -> None:
        self._moto = moto
        self._lock = threading.Lock()
        self._by_key: dict[str, Principal] = {}

    def mint(self, role_arn: str, session: str, function_arn: str = "", *, is_isolated: bool = False) -> Credentials:
        """Return the credentials of a new container; without a function, of another user of the role."""
        # As AWS's temporary keys look: the prefix, then sixteen letters and digits.
        key = "ASIA" + secrets.token_hex(8).upper()
        credentials = Credentials(key, secrets.token_urlsafe(30), secrets.token_urlsafe(60))
        with self._lock:
            self._by_key[key] = Principal(role_arn, session, credentials, function_arn, is_isolated)
        return credentials

    def find(self, access_key: str) -> Principal | None:
        """Return the caller with an access key, None for the account's owner. Raises AwsError if it has ended."""
        with self._lock:
            found = self._by_key.get(access_key)
        if found is not None or not access_key.startswith(_PREFIXES):
            return found
        with self._moto.lock:
            return self._session(access_key) or self._user(access_key)

    def _session(self, access_key: str) -> Principal | None:
        for each in self._moto.backend("sts", "aws").assumed_roles:
            if each.access_key_id == access_key:
                if each.expiration < utcnow():
                    raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)
                credentials = Credentials(access_key, each.secret_access_key, each.session_token)
                return Principal(each.role_arn, each.session_name, credentials)
        return None

    def _user(self, access_key: str) -> Principal | None:
        for user in self._moto.backend("iam", "aws").users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key:
                    _check_active(key)
                    return Principal(user.arn, "", Credentials(access_key, key.secret_access_key, ""))
        return None


def _check_active(key: Any) -> None:
    if key.status != "Active":
        raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
