"""The parameters of the APIs in front of the query function, from the options of `sldb deploy`. Pure.

The kinds that are given are all kinds of the stack: those that are not among them are removed. Other options keep their
values, also while no kind uses them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lambda_handlers.wire import SldbError
from sldb.did_you_mean import suggestion

NONE = "none"  # as the value of an option: removes it
ANY_ORIGIN = "*"
KIND_PARAMETERS = {"token": "ApiToken", "key": "ApiKey", "jwt": "ApiJwt", "iam": "ApiIam"}

# As in the template; a test compares them.
API_DEFAULTS = {
    **dict.fromkeys(KIND_PARAMETERS.values(), "false"),
    "JwtIssuer": "",
    "JwtAudience": "",
    "ApiDomain": "",
    "ApiCertificate": "",
    "CorsOrigins": "",
    "ApiRate": "100",
    "ApiBurst": "200",
    "KeyRate": "20",
    "KeyBurst": "40",
    "KeyQuota": "",
}
_OPTIONS = {
    "JwtIssuer": "--jwt-issuer",
    "JwtAudience": "--jwt-audience",
    "ApiDomain": "--api-domain",
    "ApiCertificate": "--api-certificate",
    "CorsOrigins": "--cors",
    "ApiRate": "--api-rate",
    "ApiBurst": "--api-burst",
    "KeyRate": "--key-rate",
    "KeyBurst": "--key-burst",
    "KeyQuota": "--key-quota",
}
_OF_KIND = {"JwtIssuer": "jwt", "JwtAudience": "jwt", "KeyRate": "key", "KeyBurst": "key", "KeyQuota": "key"}
_OF_ANY_KIND = ("ApiDomain", "CorsOrigins", "ApiRate", "ApiBurst")
_MAX_RATE = 100_000  # requests a second; an account has 10,000 in all, if it did not request more
_DOMAIN = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_CERTIFICATE = re.compile(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+")
_ORIGIN = re.compile(r"https?://[^/?#\s,@]+")
_QUOTA = re.compile(r"([1-9][0-9]{0,8})/(DAY|WEEK|MONTH)")


@dataclass(frozen=True, slots=True)
class ApiChoices:
    """The options on the command line; None, and no kind at all, leave a parameter as it is."""

    api: tuple[str, ...] = ()  # kinds, also several with commas between them; or NONE
    jwt_issuer: str | None = None
    jwt_audience: str | None = None  # with commas, as cors
    api_domain: str | None = None
    api_certificate: str | None = None
    cors: str | None = None
    api_rate: int | None = None  # requests a second
    api_burst: int | None = None
    key_rate: int | None = None
    key_burst: int | None = None
    key_quota: str | None = None  # N/day, N/week, N/month

    def parameters(self) -> dict[str, str]:
        """Return the given parameters. Raises `bad_request` for kinds that do not exist."""
        given = {
            "JwtIssuer": self.jwt_issuer,
            "JwtAudience": self.jwt_audience and _list(self.jwt_audience),
            "ApiDomain": self.api_domain and self.api_domain.lower(),
            "ApiCertificate": self.api_certificate,
            "CorsOrigins": self.cors and _list(self.cors),
            "ApiRate": self.api_rate,
            "ApiBurst": self.api_burst,
            "KeyRate": self.key_rate,
            "KeyBurst": self.key_burst,
            "KeyQuota": self.key_quota and self.key_quota.upper(),
        }
        if self.api_domain == NONE:
            given["ApiCertificate"] = given["ApiCertificate"] or NONE
        values = {name: str(value) for name, value in given.items() if value is not None}
        return {**_kinds(self.api), **{name: "" if _is_none(value) else value for name, value in values.items()}}

    def unused(self, values: Mapping[str, str]) -> tuple[str, str] | None:
        """Return an option that is given and the kind that it is for, if the stack is to have no API of that kind."""
        kinds = kinds_of(values)
        for name in self.parameters():
            kind = _OF_KIND.get(name)
            if kind and kind not in kinds:
                return _OPTIONS[name], kind
        return None


def kinds_of(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the kinds of APIs by the parameters of a stack."""
    return tuple(kind for kind, name in KIND_PARAMETERS.items() if values.get(name) == "true")


def check_apis(choices: ApiChoices, values: Mapping[str, str]) -> None:
    """Raise `bad_request` for parameters that do not go together or that API Gateway would refuse."""
    kinds = kinds_of(values)
    if unused := choices.unused(values):
        all_kinds = ",".join((*kinds, unused[1]))  # one that is not named would be removed
        raise SldbError("bad_request", f"{unused[0]} is for the API of kind {unused[1]}", f"add --api {all_kinds}")
    _check_jwt(values, kinds)
    _check_domain(values, kinds)
    _check_origins(values["CorsOrigins"])
    for name in ("ApiRate", "ApiBurst", "KeyRate", "KeyBurst"):
        if not values[name].isdigit() or not 1 <= int(values[name]) <= _MAX_RATE:
            raise _bad(name, values[name], f"1 to {_MAX_RATE} requests")
    if values["KeyQuota"] and not _QUOTA.fullmatch(values["KeyQuota"]):
        raise _bad(
            "KeyQuota", values["KeyQuota"].lower(), "a number of requests as in 10000/day, /week, /month, or none"
        )
    given = choices.parameters()
    idle = [_OPTIONS[name] for name in _OF_ANY_KIND if given.get(name)]  # one that removes something is none of them
    if idle and not kinds:
        raise SldbError("bad_request", f"{idle[0]} is for an API, and the stack has none", "add --api KIND")


def _kinds(given: Iterable[str]) -> dict[str, str]:
    words = [word.strip() for text in given for word in text.split(",")]
    if not words:
        return {}
    for word in words:
        if word not in (*KIND_PARAMETERS, NONE):
            message = f"--api: got {word!r}, want {', '.join(KIND_PARAMETERS)} or {NONE}"
            raise SldbError("bad_request", message, suggestion(word, (*KIND_PARAMETERS, NONE)))
    if NONE in words and set(words) != {NONE}:
        raise SldbError("bad_request", f"--api: {NONE} removes all APIs, and {', '.join(words)} also has others")
    return {name: str(kind in words).lower() for kind, name in KIND_PARAMETERS.items()}


def _check_jwt(values: Mapping[str, str], kinds: tuple[str, ...]) -> None:
    issuer, audience = values["JwtIssuer"], values["JwtAudience"]
    if issuer and not _is_https(issuer):
        raise _bad("JwtIssuer", issuer, "the https:// URL of the issuer, as in its tokens (iss)")
    if audience and not all(re.fullmatch(r"\S+", each) for each in audience.split(",")):
        raise _bad("JwtAudience", audience, "audiences (aud) with commas between them")
    missing = [option for option, value in (("--jwt-issuer", issuer), ("--jwt-audience", audience)) if not value]
    if "jwt" in kinds and missing:
        raise SldbError("bad_request", "--api jwt accepts the tokens of one issuer", f"add {' and '.join(missing)}")


def _check_domain(values: Mapping[str, str], kinds: tuple[str, ...]) -> None:
    domain, certificate = values["ApiDomain"], values["ApiCertificate"]
    if domain and not (_DOMAIN.fullmatch(domain) and len(domain) <= 253):
        raise _bad("ApiDomain", domain, f"a domain name such as db.example.com, or {NONE}")
    if certificate and not _CERTIFICATE.fullmatch(certificate):
        raise _bad("ApiCertificate", certificate, f"the ARN of a certificate of ACM in the stack's region, or {NONE}")
    if domain and not certificate:
        raise SldbError(
            "bad_request", f"--api-domain: {domain} needs a certificate", "add --api-certificate ARN, of ACM"
        )
    if certificate and not domain:
        raise SldbError("bad_request", "--api-certificate is for a domain", "add --api-domain NAME")
    if domain and len(kinds) > 1:
        raise SldbError(
            "bad_request",
            f"--api-domain: {domain} can serve one kind of API, and the stack has {', '.join(kinds)}",
            f"choose one kind, or add --api-domain {NONE}: each API has an address of its own",
        )


def _check_origins(origins: str) -> None:
    each = origins.split(",") if origins else []
    if ANY_ORIGIN in each and len(each) > 1:
        raise _bad("CorsOrigins", origins, f"either {ANY_ORIGIN} or origins")
    for origin in each:
        if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
            raise _bad("CorsOrigins", origin, f"an origin such as https://app.example.com, without a path, or {NONE}")


def _is_https(url: str) -> bool:
    parts = urlsplit(url)
    has_more = "?" in url or "#" in url or "@" in parts.netloc or re.search(r"\s", url)
    return parts.scheme == "https" and bool(parts.netloc) and not has_more


def _list(text: str) -> str:
    return ",".join(word.strip() for word in text.split(","))


def _is_none(value: str) -> bool:
    return value.lower() == NONE


def _bad(name: str, value: str, want: str) -> SldbError:
    return SldbError("bad_request", f"{_OPTIONS[name]}: got {value!r}, want {want}")
