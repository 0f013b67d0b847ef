"""The callers: access keys of running containers, each with the role of its function.

Any other key is the account's owner, like the user at the keyboard, and may do everything.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from sldb.emulator.calls.call import ACCOUNT


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Principal:
    """A function, acting in its role."""

    role_arn: str
    session: str  # the function's name
    credentials: Credentials

    @property
    def role_name(self) -> str:
        return self.role_arn.rpartition("/")[2]

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role_name}/{self.session}"


class Principals:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, Principal] = {}

    def mint(self, role_arn: str, session: str) -> Credentials:
        """Credentials of a new container."""
        # As AWS's temporary keys look: the prefix, then sixteen letters and digits.
        key = "ASIA" + secrets.token_hex(8).upper()
        credentials = Credentials(key, secrets.token_urlsafe(30), secrets.token_urlsafe(60))
        with self._lock:
            self._by_key[key] = Principal(role_arn, session, credentials)
        return credentials

    def find(self, access_key: str) -> Principal | None:
        """Return the caller with an access key, None for the account's owner."""
        with self._lock:
            return self._by_key.get(access_key)
