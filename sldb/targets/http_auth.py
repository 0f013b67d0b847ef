"""The credentials for an HTTP interface: a bearer's token, an API key, or the AWS identity of the user.

    token  `Authorization: Bearer …`: fronts with sldb's own tokens or with a JWT issuer, and `sldb serve`
    key    `x-api-key: …`: the front with API keys
    iam    a signature of AWS (SigV4, service execute-api), with profile and credentials as for other commands

The setting `http_auth` names the kind, else it is the one with a secret: in the environment, in a file of the settings,
or in the keyring of the system. None is ever on the command line: other users of the machine can read it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb.config.settings import HTTP_AUTHS, Level, Setting

KEYRING_SERVICE = "sldb"
_UNSET = Setting("", "default")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of credentials with a secret."""

    name: str
    noun: str  # for messages
    variable: str  # of the environment, with the secret itself
    setting: str  # with the name of a file


TOKEN = Kind("token", "token", "SLDB_TOKEN", "token_file")
KEY = Kind("key", "API key", "SLDB_API_KEY", "api_key_file")
IAM = "iam"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    chosen: Setting = _UNSET  # `http_auth`; empty: by the secrets there are
    token_file: Setting = _UNSET
    api_key_file: Setting = _UNSET

    def file(self, kind: Kind) -> Setting:
        return self.token_file if kind is TOKEN else self.api_key_file


@dataclass(frozen=True, slots=True)
class HttpAuth:
    kind: str  # token, key or iam
    secret: str | None = field(default=None, repr=False)  # of a token or key; None: there is none

    @property
    def headers(self) -> dict[str, str]:
        """The headers with the secret. A signature is made for each request instead (`sldb.aws.http`)."""
        if self.secret is None:
            return {}
        return {"x-api-key": self.secret} if self.kind == KEY.name else {"Authorization": f"Bearer {self.secret}"}


def find_auth(url: str, settings: AuthSettings | None = None) -> HttpAuth:
    """Return the credentials for a URL. Raises `bad_request` for an unusable secret or file, for an unknown kind, and
    if a token and a key have the same right to be meant."""
    settings = settings or AuthSettings()
    chosen = settings.chosen.value
    if chosen and chosen not in HTTP_AUTHS:
        raise SldbError("bad_request", f"{settings.chosen.source}: got {chosen!r}, want one of {', '.join(HTTP_AUTHS)}")
    if chosen == IAM:
        return HttpAuth(IAM)
    kind = {TOKEN.name: TOKEN, KEY.name: KEY}[chosen] if chosen else _kind_of_the_secret(settings)
    file = settings.file(kind)
    secret = os.environ.get(kind.variable) or (_read(kind, file.value) if file.value else _from_keyring(url, kind))
    if secret:
        _check_characters(kind, secret)
    return HttpAuth(kind.name, secret or None)


def _kind_of_the_secret(settings: AuthSettings) -> Kind:
    token, key = (_level(kind, settings) for kind in (TOKEN, KEY))
    if token == key > Level.DEFAULT:
        raise SldbError(
            "bad_request",
            f"there is a token ({_source(TOKEN, settings)}) and an API key ({_source(KEY, settings)})",
            "leave one of them out, or set SLDB_HTTP_AUTH to token or key",
        )
    return KEY if key > token else TOKEN


def _level(kind: Kind, settings: AuthSettings) -> Level:
    return Level.ENVIRONMENT if os.environ.get(kind.variable) else settings.file(kind).level


def _source(kind: Kind, settings: AuthSettings) -> str:
    return kind.variable if os.environ.get(kind.variable) else settings.file(kind).source


def _check_characters(kind: Kind, secret: str) -> None:
    """Raise `bad_request` for an impossible header: the HTTP client would print the secret with its error."""
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        what = f"the {kind.noun} has characters that are not allowed in it (perhaps a line break)"
        raise SldbError("bad_request", what)


def _read(kind: Kind, file: str) -> str:
    try:
        return Path(file).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        hint = f"see {kind.setting} and {kind.variable}"
        raise SldbError("bad_request", f"the {kind.noun} file {file}: {reason}", hint) from error


def _from_keyring(url: str, kind: Kind) -> str | None:
    """Return the password that the keyring of the system has for the URL, if the package keyring is installed."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(KEYRING_SERVICE, url)
    except KeyringError as error:
        raise SldbError("bad_request", f"the keyring cannot be read: {error}", f"set {kind.variable}") from error
    return found


def where_to_get(kind: str) -> str:
    """Return the places of the credentials of a kind, for hints."""
    known: Mapping[str, Kind] = {each.name: each for each in (TOKEN, KEY)}
    if kind == IAM:
        return "the AWS credentials: --profile, or AWS_ACCESS_KEY_ID and its like"
    return f"the {known[kind].noun}: {known[kind].variable}, or {known[kind].setting} of the config"
