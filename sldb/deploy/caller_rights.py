"""The rights of callers that `sldb token` made outside of the stack's template: API keys, and the access document.

They end with the API or the stack that they are for: a stack that is deployed anew has no callers yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_handlers.shared.lock_holder import STACK_TAG
from sldb.aws.errors import aws_errors
from sldb.stack.api_addresses import REST_KIND, api_ids
from sldb.stack.names import ACCESS_DOCUMENT

if TYPE_CHECKING:
    from sldb.deploy.progress import Progress
    from sldb.stack.account import Account
    from sldb.stack.bucket import Bucket
    from sldb.stack.state import StackState


@dataclass(frozen=True, slots=True)
class CallerRights:
    api_keys: tuple[str, ...] = ()  # their ids
    document: Bucket | None = None  # the bucket with the access document; None: there is none


def find_rights(account: Account, stack: str, state: StackState, data: Bucket | None) -> CallerRights:
    """Return what there is for a stack with APIs. `data`: the data bucket, if it exists. Raises SldbError."""
    kinds = api_ids(state)
    keys = list_api_keys(account, stack) if REST_KIND in kinds else ()
    has_document = bool(kinds) and data is not None and _has_document(data)
    return CallerRights(keys, data if has_document else None)


def list_api_keys(account: Account, stack: str) -> tuple[str, ...]:
    """Return the ids of the stack's API keys, by their tag. Raises SldbError."""
    with aws_errors("list the API keys of the stack"):
        pages = account.rest_apis.get_paginator("get_api_keys").paginate(nameQuery=f"{stack}-")
        return tuple(
            str(key["id"]) for page in pages for key in page["items"] if key.get("tags", {}).get(STACK_TAG) == stack
        )


def delete_rights(account: Account, rights: CallerRights, progress: Progress) -> None:
    """Delete the document, then the keys: without the document no key is accepted. Raises SldbError."""
    if rights.document is not None:
        bucket = rights.document
        with aws_errors("delete the access document"):
            bucket.s3.delete_object(Bucket=bucket.name, Key=ACCESS_DOCUMENT, ExpectedBucketOwner=bucket.account_id)
        progress.note("deleted the callers of the stack")
    delete_api_keys(account, rights.api_keys, progress)


def delete_api_keys(account: Account, ids: tuple[str, ...], progress: Progress) -> None:
    """Delete API keys; one that does not exist counts as deleted. Raises SldbError."""
    for key_id in ids:
        with aws_errors(f"delete the API key {key_id}"):
            try:
                account.rest_apis.delete_api_key(apiKey=key_id)
            except account.rest_apis.exceptions.NotFoundException:
                continue
    if ids:
        progress.note(f"deleted {len(ids)} API key{'s' if len(ids) > 1 else ''} of the stack")


def _has_document(bucket: Bucket) -> bool:
    with aws_errors("look for the access document"):
        found = bucket.s3.list_objects_v2(
            Bucket=bucket.name, Prefix=ACCESS_DOCUMENT, MaxKeys=1, ExpectedBucketOwner=bucket.account_id
        )
    return bool(found.get("Contents"))
