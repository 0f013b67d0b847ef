"""The addresses of the APIs in front of the query function: URLs for the target https.

An HTTP API serves its default stage at the root of its host, a REST API the stage `sldb` below that. A configured
endpoint (the emulator's, AWS_ENDPOINT_URL) serves all of them below `/_execute-api/`. The API's own host is there with
a custom domain, too.

At AWS an API has another host than the store. A client that follows a redirect to the store drops the caller's token
because of that. So an API of an emulator at 127.0.0.1 has the host `localhost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sldb.aws.endpoints import configured_url, find_partition

if TYPE_CHECKING:
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

OUTPUTS = {"token": "TokenApiId", "key": "KeyApiId", "jwt": "JwtApiId", "iam": "IamApiId"}  # by kind: the API's id
REST_KIND = "key"
REST_STAGE = "sldb"


def api_addresses(account: Account, state: StackState) -> dict[str, str]:
    """Return the URL of each API of the stack by its kind, without a slash at its end. Raises SldbError for a
    configured endpoint that is no URL."""
    return {kind: _address(account, kind, api_id) for kind, api_id in api_ids(state).items()}


def api_ids(state: StackState) -> dict[str, str]:
    """Return the id of each API of the stack by its kind."""
    return {kind: state.outputs[name] for kind, name in OUTPUTS.items() if state.outputs.get(name)}


def _address(account: Account, kind: str, api_id: str) -> str:
    session = account.session._session
    path = f"/{REST_STAGE}" if kind == REST_KIND else ""
    configured = configured_url(session, "apigatewayv2")
    if configured:
        return f"{_other_host(configured)}/_execute-api/{api_id}{path}"
    suffix = find_partition(session, account.region).suffix
    return f"https://{api_id}.execute-api.{account.region}.{suffix}{path}"


def _other_host(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.hostname != "127.0.0.1":
        return endpoint
    port = f":{parts.port}" if parts.port else ""
    return parts._replace(netloc=f"localhost{port}").geturl()
