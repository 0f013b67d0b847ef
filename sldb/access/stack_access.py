"""The parts of a deployed stack for the callers of its APIs: the access document, signing keys, API keys and
addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.wire import SldbError
from sldb.access.api_keys import ApiKeys
from sldb.access.document import AccessDocument, BucketDocument
from sldb.access.signing_keys import SigningKeys
from sldb.stack.account import connect
from sldb.stack.api_addresses import api_addresses, api_ids
from sldb.stack.cloudformation import Stack
from sldb.stack.ownership import no_such_stack

if TYPE_CHECKING:
    from sldb.aws.options import AwsOptions
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

_NOUNS = {"token": "tokens", "key": "API keys", "jwt": "JWTs", "iam": "AWS identities"}


@dataclass(frozen=True, slots=True)
class StackAccess:
    account: Account
    stack: str
    state: StackState

    @property
    def document(self) -> AccessDocument:
        bucket = self.account.data_bucket(self.stack, self.state)
        return AccessDocument(BucketDocument(self.account.s3, bucket.name, self.account.id))

    @property
    def api_keys(self) -> ApiKeys:
        return ApiKeys(self.account.rest_apis, self.stack)

    @property
    def signing_keys(self) -> SigningKeys:
        """Raises SldbError if the stack takes no tokens."""
        self.require("token")
        return SigningKeys(self.account.secrets, self._output("TokenSecretArn"))

    @property
    def usage_plan_id(self) -> str:
        return self._output("KeyUsagePlanId")

    def address(self, kind: str) -> str:
        """Return the URL of the API of a kind (token, key, jwt, iam)."""
        self.require(kind)
        return api_addresses(self.account, self.state)[kind]

    def require(self, kind: str) -> None:
        """Raise `bad_request` if the stack has no API of this kind."""
        kinds = api_ids(self.state)
        if kind in kinds:
            return
        deploy = f"sldb deploy --api {','.join([*kinds, kind])}"
        what = f"the stack {self.stack} has no API that takes {_NOUNS[kind]}"
        raise SldbError("bad_request", what, f"`{deploy}` adds it", applied="no")

    def _output(self, name: str) -> str:
        if not self.state.outputs.get(name):
            raise SldbError(
                "store_error", f"the stack {self.stack} does not say its {name}", "`sldb deploy` repairs it"
            )
        return self.state.outputs[name]


def open_access(options: AwsOptions, stack: str) -> StackAccess:
    """Return the access of a deployed stack. Raises SldbError if there is none of ours."""
    account = connect(options)
    state = Stack(account.cloudformation, stack).describe_ours()
    if state is None or not state.has_data_bucket:
        raise no_such_stack(stack, account.region, account.id)
    return StackAccess(account, stack, state)
