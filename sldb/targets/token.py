"""The token for an HTTP interface: from SLDB_TOKEN, a file of the user's, or the keyring. Never from a command line,
which other users of the machine can read."""

from __future__ import annotations

import os
from pathlib import Path

from lambda_handlers.wire import SldbError

VARIABLE = "SLDB_TOKEN"
KEYRING_SERVICE = "sldb"


def find_token(url: str, file: str = "") -> str | None:
    """Return the token for a URL, None if there is none. `file`: as the settings name it. Raises `bad_request`."""
    token = os.environ.get(VARIABLE) or (_read(file) if file else _from_keyring(url))
    if not token:
        return None
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise SldbError("bad_request", "the token has characters that are not allowed in it (perhaps a line break)")
    return token


def _read(file: str) -> str:
    try:
        return Path(file).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SldbError("bad_request", f"the token file {file}: {reason}", "see token_file and SLDB_TOKEN") from error


def _from_keyring(url: str) -> str | None:
    """Return the password that the keyring of the system has for the URL, if the package keyring is installed."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(KEYRING_SERVICE, url)
    except KeyringError as error:
        raise SldbError("bad_request", f"the keyring cannot be read: {error}", f"set {VARIABLE}") from error
    return found
