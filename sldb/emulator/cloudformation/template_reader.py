"""Templates in S3, by the addresses of CloudFormation, read with the rights of the caller.

https://BUCKET.s3.REGION.SUFFIX/KEY, with the bucket in the path too, and the emulator's own address, as the only one
without TLS. CloudFormation's answers for a bad address and for a template beyond the limit are from users' reports.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from lambda_handlers.shared.endpoints import partition_of
from sldb.emulator.access.iam import Authorizer
from sldb.emulator.access.principals import Principals
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.cloudformation.template import invalid

MAX_BYTES = 1_000_000
_HOST = re.compile(r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.)?s3[.-](?P<region>[a-z0-9-]+)\.(?P<suffix>.+)")


class TemplateReader:
    def __init__(self, moto: Moto, authorizer: Authorizer, principals: Principals, own_url: str) -> None:
        self._moto = moto
        self._authorizer = authorizer
        self._principals = principals
        self._own_url = own_url

    def read(self, call: Call, url: str) -> str:
        """Return the template at an address in a call. Raises AwsError with CloudFormation's words."""
        bucket, key = bucket_and_key(url, self._own_url)
        get = replace(call, service="s3", action="GetObject", method="GET", path=f"/{bucket}/{key}", form={}, query={})
        with self._moto.lock:
            try:
                self._authorizer.authorize(get, self._principals.find(call.access_key))
            except AwsError as error:
                raise invalid("S3 error: Access Denied") from error
            backend = self._moto.backend("s3", call.region)
            if bucket not in backend.buckets:
                raise invalid("S3 error: The specified bucket does not exist")
            found = backend.get_object(bucket, key)
            if found is None:
                raise invalid("S3 error: The specified key does not exist.")
            content: bytes = found.value
        if len(content) > MAX_BYTES:
            raise invalid(f"Template may not exceed {MAX_BYTES} bytes in size.")
        return content.decode()


def bucket_and_key(url: str, own_url: str) -> tuple[str, str]:
    """Return the bucket and key of an address. Raises AwsError if it is no address of an object in S3."""
    parts, own = urlsplit(url), urlsplit(own_url)
    path = unquote(parts.path)
    if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
        bucket, key = split_bucket_and_key(path)
    else:
        host = _HOST.fullmatch(parts.netloc) if parts.scheme == "https" else None
        if host is None or host["suffix"] != partition_of(host["region"]).suffix:
            raise invalid("TemplateURL must be a supported URL.")
        bucket, key = (host["bucket"], path[1:]) if host["bucket"] else split_bucket_and_key(path)
    if not (bucket and key):
        raise invalid("TemplateURL must be a supported URL.")
    return bucket, key
