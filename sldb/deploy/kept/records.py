"""The records of versions in the bucket of bundles: written after each deployment, and the oldest removed.

The live version is the newest record, if the stack is as it says. A stack deployed by other means (sldb 0.1.0, an older
client) is recorded before its next deployment, from its own template and parameters.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sldb.aws.errors import aws_errors
from sldb.deploy.kept.version import FORMAT, KEY, PREFIX, Version, decode, template_key
from sldb.stack.bucket import Bucket
from sldb.stack.state import StackState

KEPT = 10  # versions; the live one is always among them
_SHARED = re.compile(r"[0-9a-f]{64}\.(zip|template)")


class Records:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self) -> list[Version]:
        """Return all versions, the oldest first. Raises SldbError."""
        return [decode(self._get(key), key) for key in sorted(self._keys(PREFIX)) if KEY.fullmatch(key)]

    def with_live(self, state: StackState, template: str) -> list[Version]:
        """Return all versions, the live one last; if it has no record, with what the stack says of it."""
        versions = self.read()
        if versions and versions[-1].is_state(state, template):
            return versions
        return [*versions, _unrecorded(versions, state, template)]

    def keep(self, version: Version, template: str) -> None:
        """Write a record, and its template if that is missing; remove the oldest. `template`: its text."""
        self._put(version, template)
        self._prune(self.read())

    def keep_unrecorded(self, versions: list[Version], template: str) -> None:
        """Write the record of a live version that has none."""
        live = versions[-1]
        if live.key not in self._keys(PREFIX):
            self._put(live, template)

    def template(self, version: Version) -> str:
        """Return the text of a version's template."""
        return self._get(version.template).decode()

    def has(self, key: str) -> bool:
        return key in self._keys(key)

    def _put(self, version: Version, template: str) -> None:
        bucket = self._bucket
        bodies = {version.key: (version.encode(), "application/json")}
        if not self.has(version.template):
            bodies = {version.template: (template.encode(), "text/yaml"), **bodies}
        with aws_errors(f"record version {version.number} in {bucket.name}"):
            for key, (body, media_type) in bodies.items():
                bucket.s3.put_object(
                    Bucket=bucket.name,
                    Key=key,
                    Body=body,
                    ContentType=media_type,
                    ExpectedBucketOwner=bucket.account_id,
                )

    def _prune(self, versions: list[Version]) -> None:
        """Remove the oldest versions, and the bundles and templates of none of the others."""
        kept = versions[-KEPT:]
        needed = {key for version in kept for key in (version.template, version.bundle)}
        gone = [version.key for version in versions[:-KEPT]]
        if gone:
            gone += [key for key in self._keys("") if _SHARED.fullmatch(key) and key not in needed]
        bucket = self._bucket
        with aws_errors(f"remove old versions from {bucket.name}"):
            for key in gone:
                bucket.s3.delete_object(Bucket=bucket.name, Key=key, ExpectedBucketOwner=bucket.account_id)

    def _keys(self, prefix: str) -> list[str]:
        bucket = self._bucket
        if not bucket.exists():
            return []
        with aws_errors(f"list the versions in {bucket.name}"):
            pages = bucket.s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket.name, Prefix=prefix, ExpectedBucketOwner=bucket.account_id
            )
            return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def _get(self, key: str) -> bytes:
        bucket = self._bucket
        with aws_errors(f"read {key} in {bucket.name}"):
            found = bucket.s3.get_object(Bucket=bucket.name, Key=key, ExpectedBucketOwner=bucket.account_id)
            return found["Body"].read()


def _unrecorded(versions: list[Version], state: StackState, template: str) -> Version:
    number = versions[-1].number + 1 if versions else 1
    live = Version(number, template_key(template), dict(state.parameters), made_at=state.updated_at, format=FORMAT)
    return replace(live, format=versions[-1].format if versions else 1)
