"""The action of a REST request: S3, Lambda and API Gateway encode it in method, path and query.

The names are those of the API models. Pure; an unknown request has the empty string.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

# query parameter of a bucket or object → what is read (GET), written (PUT) or deleted
_BUCKET_PARTS = {
    "policy": "BucketPolicy",
    "versioning": "BucketVersioning",
    "lifecycle": "BucketLifecycleConfiguration",
    "encryption": "BucketEncryption",
    "tagging": "BucketTagging",
    "publicAccessBlock": "PublicAccessBlock",
    "ownershipControls": "BucketOwnershipControls",
    "acl": "BucketAcl",
    "location": "BucketLocation",
    "policyStatus": "BucketPolicyStatus",
    "notification": "BucketNotificationConfiguration",
    "cors": "BucketCors",
    "logging": "BucketLogging",
}
_OBJECT_PARTS = {"tagging": "ObjectTagging", "acl": "ObjectAcl", "attributes": "ObjectAttributes"}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}

_FUNCTION = r"/2015-03-31/functions/(?P<function>[^/]+)"
_LAMBDA_ROUTES = (
    ("POST", r"/2015-03-31/functions/?", "CreateFunction"),
    ("GET", r"/2015-03-31/functions/?", "ListFunctions"),
    ("POST", _FUNCTION + r"/invocations", "Invoke"),
    ("GET", _FUNCTION, "GetFunction"),
    ("DELETE", _FUNCTION, "DeleteFunction"),
    ("GET", _FUNCTION + r"/configuration", "GetFunctionConfiguration"),
    ("PUT", _FUNCTION + r"/configuration", "UpdateFunctionConfiguration"),
    ("PUT", _FUNCTION + r"/code", "UpdateFunctionCode"),
    ("POST", _FUNCTION + r"/policy", "AddPermission"),
    ("GET", _FUNCTION + r"/policy", "GetPolicy"),
    ("DELETE", _FUNCTION + r"/policy/[^/]+", "RemovePermission"),
    ("GET", _FUNCTION + r"/versions", "ListVersionsByFunction"),
    ("POST", _FUNCTION + r"/versions", "PublishVersion"),
    ("GET", _FUNCTION + r"/aliases/[^/]+", "GetAlias"),
    ("POST", _FUNCTION + r"/aliases", "CreateAlias"),
    ("PUT", _FUNCTION + r"/aliases/[^/]+", "UpdateAlias"),
    ("DELETE", _FUNCTION + r"/aliases/[^/]+", "DeleteAlias"),
    *(
        (
            method,
            r"/2019-09-30/functions/(?P<function>[^/]+)/provisioned-concurrency",
            f"{verb}ProvisionedConcurrencyConfig",
        )
        for method, verb in _VERBS.items()
    ),
    ("PUT", r"/2017-10-31/functions/(?P<function>[^/]+)/concurrency", "PutFunctionConcurrency"),
    ("GET", r"/2019-09-30/functions/(?P<function>[^/]+)/concurrency", "GetFunctionConcurrency"),
    ("DELETE", r"/2017-10-31/functions/(?P<function>[^/]+)/concurrency", "DeleteFunctionConcurrency"),
    ("PUT", r"/2019-09-25/functions/(?P<function>[^/]+)/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("GET", r"/2019-09-25/functions/(?P<function>[^/]+)/event-invoke-config", "GetFunctionEventInvokeConfig"),
    (
        "DELETE",
        r"/2019-09-25/functions/(?P<function>[^/]+)/event-invoke-config",
        "DeleteFunctionEventInvokeConfig",
    ),
    ("POST", r"/2015-03-31/event-source-mappings/?", "CreateEventSourceMapping"),
    ("GET", r"/2015-03-31/event-source-mappings/?", "ListEventSourceMappings"),
    ("GET", r"/2015-03-31/event-source-mappings/[^/]+/?", "GetEventSourceMapping"),
    ("PUT", r"/2015-03-31/event-source-mappings/[^/]+/?", "UpdateEventSourceMapping"),
    ("DELETE", r"/2015-03-31/event-source-mappings/[^/]+/?", "DeleteEventSourceMapping"),
    ("GET", r"/2016-08-19/account-settings/?", "GetAccountSettings"),
    ("GET", r"/2017-03-31/tags/.+", "ListTags"),
    ("POST", r"/2017-03-31/tags/.+", "TagResource"),
    ("DELETE", r"/2017-03-31/tags/.+", "UntagResource"),
)


def split_bucket_and_key(path: str) -> tuple[str, str]:
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key


def s3_action(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    bucket, key = split_bucket_and_key(path)
    if not bucket:
        return "ListBuckets" if method == "GET" else ""
    if key:
        return _object_action(method, query, headers)
    return _bucket_action(method, query)


def _bucket_action(method: str, query: Mapping[str, str]) -> str:
    for part, noun in _BUCKET_PARTS.items():
        if part in query:
            # The one name that does not follow its siblings.
            if (method, part) == ("DELETE", "lifecycle"):
                return "DeleteBucketLifecycle"
            return _VERBS[method] + noun if method in _VERBS else ""
    if method == "POST":
        return "DeleteObjects" if "delete" in query else ""
    if method == "GET":
        if "uploads" in query:
            return "ListMultipartUploads"
        if "versions" in query:
            return "ListObjectVersions"
        return "ListObjectsV2" if query.get("list-type") == "2" else "ListObjects"
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "HEAD": "HeadBucket"}.get(method, "")


def _object_action(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    for part, noun in _OBJECT_PARTS.items():
        if part in query:
            return _VERBS[method] + noun if method in _VERBS else ""
    copies = "x-amz-copy-source" in headers
    if "uploadId" in query:
        if method == "PUT":
            return "UploadPartCopy" if copies else "UploadPart"
        return {
            "GET": "ListParts",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }.get(method, "")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else ""
    if method == "PUT":
        return "CopyObject" if copies else "PutObject"
    return {"GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, "")


def lambda_action(method: str, path: str) -> str:
    for route_method, pattern, action in _LAMBDA_ROUTES:
        if method == route_method and re.fullmatch(pattern, path):
            return action
    return ""


def model_action(service: str, method: str, path: str) -> str:
    """Return the action by the service's model, given its name there."""
    return next((name for verb, pattern, name in _model(service) if verb == method and pattern.fullmatch(path)), "")


@functools.cache
def _model(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Return method, pattern and name of each operation, those with literal paths first."""
    from botocore.loaders import Loader

    operations = Loader().load_service_model(service, "service-2")["operations"].values()
    found = []
    for operation in operations:
        uri = operation["http"]["requestUri"].partition("?")[0]
        parts = re.split(r"(\{[^}]+\})", uri)
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
        # An ARN in a path has slashes of its own.
        pattern = pattern if "/tags/" not in uri else pattern.replace("[^/]+", ".+")
        found.append((operation["http"]["method"], re.compile(pattern), operation["name"]))
    return tuple(sorted(found, key=lambda each: each[1].pattern.count("[^/]+")))


def function_in(path: str) -> str:
    """Return the function in a Lambda path, as the caller wrote it: a name, name:qualifier or ARN."""
    # An ARN may come percent-encoded once more than the path itself; slashes it has none.
    return path.split("/")[3].replace("%3A", ":").replace("%3a", ":")
