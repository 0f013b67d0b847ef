"""The authorization of every call; moto has none.

The account's owner may do everything but what a bucket's policy denies. A function, another session of a role, or a
user needs the permission of its policies, or of the bucket's, without a denial, and within the permissions boundary of
the role. A refusal has AWS's words, with the caller, the action and the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from sldb.emulator.access import key_uses, policy, resource_arns
from sldb.emulator.access.bucket_policy import BucketPolicies
from sldb.emulator.access.key_uses import KeyUse
from sldb.emulator.access.permissions import required
from sldb.emulator.access.policy import Decision, Document, Request
from sldb.emulator.access.principals import Credentials, Principal
from sldb.emulator.access.resource_arns import arn_of
from sldb.emulator.access.uses import SERVICE, Use
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import ACCOUNT, Answer, Call
from sldb.emulator.calls.errors import AwsError, NotEmulated
from sldb.emulator.calls.moto_app import Moto

_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_POLICY_PARAMETERS = ("PolicyDocument", "AssumeRolePolicyDocument")


class Authorizer:
    """Judges calls. Used under moto's lock."""

    def __init__(
        self,
        moto: Moto,
        bucket_policies: BucketPolicies,
        queue_policies: Callable[[str], list[Document]] = lambda _arn: [],
        queue_key: Callable[[str], str] = lambda _arn: "",
    ) -> None:
        """`queue_policies`, `queue_key`: the policies and the key of a queue, by its ARN."""
        self._moto = moto
        self._queue_policies = queue_policies
        self._queue_key = queue_key
        self._bucket_policies = bucket_policies
        self.uses: set[Use] = set()  # what callers have used of their policies, for tests of least privilege

    def authorize(self, call: Call, principal: Principal | None) -> None:
        """Raise AwsError if AWS would refuse the caller. `principal` is None for the account's owner."""
        of_bucket = self._resource_policies(call)
        names = [ACCOUNT, _ROOT, *_names(principal)]
        for needed in required(self._moto, call):
            by_bucket = policy.decide(of_bucket, _with_caller(needed, principal), names)
            if by_bucket == "deny":
                why = "with an explicit deny in a resource-based policy"
                raise _denied(call, needed, principal, why)
            self.authorize_request(call, needed, principal, is_granted=by_bucket == "allow")
        for use in key_uses.uses(self._moto, call, self._queue_key):
            self._authorize_key(call, use, principal)

    def _authorize_key(self, call: Call, use: KeyUse, principal: Principal | None) -> None:
        """Raise AwsError if neither the key's policy nor, where that leaves it to the account, the caller's allows."""
        refusal, is_granted = _by_key(use, principal)
        if refusal:
            raise _denied(call, _with_caller(use.request, principal), principal, refusal)
        self.authorize_request(call, use.request, principal, is_granted=is_granted)

    def authorize_request(
        self, call: Call, needed: Request, principal: Principal | None, *, is_granted: bool = False
    ) -> None:
        """Raise AwsError if the policies of the caller do not allow it. `is_granted`: another policy does."""
        if principal is None:
            return
        request = _with_caller(needed, principal)
        by_role, uses = self._judge(principal, request)
        if by_role == "deny":
            raise _denied(call, request, principal, "with an explicit deny in an identity-based policy")
        if by_role != "allow" and not is_granted:
            raise _denied(call, request, principal, _not_allowed(request))
        if not self._is_within_boundary(principal, request):
            why = f"because no permissions boundary allows the {request.action} action"
            raise _denied(call, request, principal, why)
        self.uses.update(uses)

    def service_may(self, role_arn: str, needed: Request) -> bool:
        """Return whether a service may make a request by the policies of a role."""
        tls = {"aws:securetransport": ("true",)}
        return self._allows(_service(role_arn), replace(needed, context={**needed.context, **tls}))

    def role_may(self, role_arn: str, action: str, resource: str) -> bool:
        """Return whether a service may act on a resource by the policies of a role, and use the key of a queue."""
        principal = _service(role_arn)
        if not self.service_may(role_arn, Request(action, resource)):
            return False
        verb = action.removeprefix("sqs:")
        try:
            uses = list(key_uses.of_queue(self._moto, verb, resource, self._queue_key))
        except AwsError:  # the key is disabled, or gone
            return False
        return all(self._may_use(principal, use) for use in uses)

    def _may_use(self, principal: Principal, use: KeyUse) -> bool:
        refusal, is_granted = _by_key(use, principal)
        return not refusal and (is_granted or self._allows(principal, use.request))

    def _allows(self, principal: Principal, needed: Request) -> bool:
        request = _with_caller(needed, principal)
        decision, uses = self._judge(principal, request)
        if decision != "allow" or not self._is_within_boundary(principal, request):
            return False
        self.uses.update(uses)
        return True

    def conceal(self, call: Call, principal: Principal | None, answer: Answer) -> Answer:
        """Replace a 404 for a key by a 403 if the caller may not list the bucket, as S3 does."""
        if principal is None or answer.status != 404 or call.action not in ("GetObject", "HeadObject"):
            return answer
        bucket, key = split_bucket_and_key(call.path)
        if bucket not in self._moto.backend("s3", call.region).buckets:  # AWS reports that to every caller
            return answer
        context = {"aws:securetransport": ("true",), **condition_of_existence_check(unquote(key))}
        listing = Request("s3:ListBucket", f"arn:aws:s3:::{bucket}", context)
        if self._allows(principal, listing):
            return answer
        raise _denied(call, listing, principal, _not_allowed(listing))

    def _resource_policies(self, call: Call) -> list[Document]:
        """Return the policy of the bucket or queue of a call."""
        if call.service == "s3":
            return self._bucket_policies.of(split_bucket_and_key(call.path)[0])
        if call.service == "sqs":
            return self._queue_policies(arn_of(call))
        return []

    def _judge(self, principal: Principal, request: Request) -> tuple[Decision, list[Use]]:
        """Return the decision of the caller's policies, and the uses of them."""
        found = self._policies_of(principal)
        verdict = policy.judge((document for _, document in found), request)
        return verdict.decision, [
            Use(principal.entity_arn, principal.session, found[position][0], ground, request.action)
            for position, ground in verdict.grounds
        ]

    def _policies_of(self, principal: Principal) -> list[tuple[str, Document]]:
        """Return the policies of the caller, each with its name."""
        entity = self._entity(principal)
        if entity is None:
            return []
        groups = [] if principal.session else self._moto.backend("iam", "aws").get_groups_for_user(entity.name)
        return [policy_ for each in (entity, *groups) for policy_ in policies_of(each)]

    def _is_within_boundary(self, principal: Principal, request: Request) -> bool:
        """Return True if the role has no permissions boundary, or if its boundary allows this."""
        # Of users moto keeps no boundary.
        arn = getattr(self._entity(principal), "permissions_boundary_arn", None)
        if not arn:
            return True
        boundary = self._moto.backend("iam", "aws").managed_policies.get(arn)
        return boundary is not None and policy.decide([_managed(boundary)], request) == "allow"

    def _entity(self, principal: Principal) -> Any:
        """Return the role or user."""
        iam = self._moto.backend("iam", "aws")
        entities = iam.roles if principal.session else iam.users
        return next((each for each in entities.values() if each.arn == principal.entity_arn), None)

    def id_of(self, principal: Principal) -> str:
        """Return the unique id of the caller: of a user, or of a role with the name of the session."""
        with self._moto.lock:
            entity = self._entity(principal)
        unique = "" if entity is None else str(entity.id)
        return f"{unique}:{principal.session}" if principal.session else unique

    def check_boundary_in(self, call: Call) -> None:
        """Raise AwsError if a permissions boundary is not a policy of the account."""
        arn = call.form.get("PermissionsBoundary") if call.service == "iam" else None
        if arn and arn not in self._moto.backend("iam", "aws").managed_policies:
            raise AwsError("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.", 404)


def condition_of_existence_check(key: str) -> dict[str, tuple[str, ...]]:
    """Return the condition key of the listing that a caller must be allowed before S3 reports a missing key.

    Its prefix is the key, according to reports of users; AWS does not document it.
    """
    return {"s3:prefix": (key,)}


def check_policies_in(call: Call) -> None:
    """Raise UnknownElement if a policy to be stored could not be evaluated later."""
    texts = [call.form[name] for name in _POLICY_PARAMETERS if name in call.form]
    if call.action == "PutBucketPolicy":
        texts.append(call.body.decode())
    if call.service == "kms" and (of_key := resource_arns.json_of(call).get("Policy")):
        texts.append(of_key)
    for text in texts:
        try:
            policy.check(json.loads(text))
        except policy.UnknownElement as error:
            raise NotEmulated(f"{error} in a policy") from error
        except (ValueError, KeyError) as error:
            raise AwsError("MalformedPolicyDocument", f"This policy contains invalid Json: {error}") from error


def _by_key(use: KeyUse, principal: Principal | None) -> tuple[str, bool]:
    """Return why the policy of a key refuses its use, "" if it does not, and whether it is enough by itself."""
    documents, needed = [document_of(use.key.policy)], _with_caller(use.request, principal)
    owner, caller = [ACCOUNT, _ROOT], _names(principal)
    if policy.decide(documents, needed, [*owner, *caller]) == "deny":
        return "with an explicit deny in a resource-based policy", False
    is_granted = bool(caller) and policy.decide(documents, needed, caller) == "allow"
    if is_granted or policy.decide(documents, needed, owner) == "allow":
        return "", is_granted
    return f"because no resource-based policy allows the {needed.action} action", False


def _service(role_arn: str) -> Principal:
    return Principal(role_arn, SERVICE, Credentials("", "", ""))


def _names(principal: Principal | None) -> list[str]:
    return [principal.entity_arn, principal.arn] if principal else []


def _with_caller(needed: Request, principal: Principal | None) -> Request:
    caller = {"aws:principalarn": (principal.entity_arn if principal else _ROOT,)}
    if principal is not None and principal.function_arn:
        caller["lambda:sourcefunctionarn"] = (principal.function_arn,)
    return replace(needed, context={**needed.context, **caller})


def policies_of(entity: Any) -> Iterator[tuple[str, Document]]:
    """Yield the policies of a role, a user or a group, each with its name."""
    yield from ((name, document_of(text)) for name, text in entity.policies.items())
    yield from ((managed.name, _managed(managed)) for managed in entity.managed_policies.values())


def _managed(managed: Any) -> Document:
    default = next(each for each in managed.versions if each.version_id == managed.default_version_id)
    document = document_of(default.document)
    try:
        policy.check(document)
    except policy.UnknownElement as error:
        raise NotEmulated(f"{error} in the managed policy {managed.arn}") from error
    return document


def document_of(text: Any) -> Document:
    if isinstance(text, bytes):
        text = text.decode()
    if isinstance(text, str):
        text = json.loads(text if text.lstrip().startswith("{") else unquote(text))
    document: Document = text
    return document


def _not_allowed(request: Request) -> str:
    return f"because no identity-based policy allows the {request.action} action"


def _denied(call: Call, request: Request, principal: Principal | None, reason: str) -> AwsError:
    who = principal.arn if principal else _ROOT
    words = f'User: {who} is not authorized to perform: {request.action} on resource: "{request.resource}" {reason}'
    if call.service == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {words}", 403)
    status = 400 if call.service == "secretsmanager" else 403  # as the API reference has it
    return AwsError("AccessDenied" if call.service in ("s3", "sqs") else "AccessDeniedException", words, status)
