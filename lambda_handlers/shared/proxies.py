"""The forward proxy of a request, chosen as botocore and urllib choose it: HTTP_PROXY or HTTPS_PROXY by the scheme of
the address (lower case takes precedence), unless NO_PROXY names its host. Pure; urllib.request itself is 15 ms of a
cold start, and reads no other environment than the process's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from lambda_handlers.shared.endpoints import is_endpoint_url, split_url

_SUFFIX = "_proxy"


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy; None to connect directly. Raises ValueError for an unusable one, without quoting it:
    it may contain a password."""
    proxies = _proxies(environment)
    address = split_url(url)
    proxy = proxies.get(address.scheme)
    if not proxy or _is_excepted(address.netloc.rpartition("@")[2].lower(), proxies.get("no", "")):
        return None
    if not is_proxy(proxy):
        raise ValueError(f"the proxy for {address.scheme} cannot be used")
    return with_scheme(proxy)


def with_scheme(proxy: str) -> str:
    if proxy.startswith(("http:", "https:")):
        return proxy
    return f"http:{proxy}" if proxy.startswith("//") else f"http://{proxy}"


def is_proxy(text: str) -> bool:
    """Return True for the URL of a proxy of a supported kind."""
    return ("://" not in text or text.startswith(("http://", "https://"))) and is_endpoint_url(with_scheme(text))


def authorization(proxy_url: str) -> str | None:
    """Return the value of Proxy-Authorization for the user in the URL of a proxy; None without one."""
    url = split_url(proxy_url)
    if not url.username:
        return None
    from urllib.parse import unquote

    user, password = unquote(url.username), unquote(url.password or "")
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies by scheme, and the value of NO_PROXY as "no"."""
    given = {name: value for name, value in environment.items() if name.lower().endswith(_SUFFIX)}
    found = {name.lower().removesuffix(_SUFFIX): value for name, value in given.items() if value}
    if "REQUEST_METHOD" in environment:  # a CGI script: HTTP_PROXY may be a header of its caller
        found.pop("http", None)
    found.update({name.lower().removesuffix(_SUFFIX): given[name] for name in given if name.endswith(_SUFFIX)})
    return {scheme: value for scheme, value in found.items() if value}


def _is_excepted(host: str, no_proxy: str) -> bool:
    if no_proxy == "*":
        return True
    forms = {host, host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host}  # with the port, and without
    names = (name.strip().lstrip(".").lower() for name in no_proxy.split(","))
    return any(form == name or form.endswith(f".{name}") for name in names if name for form in forms)
