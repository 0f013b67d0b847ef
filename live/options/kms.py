"""A key of KMS: it is made, everything of the stack is encrypted with it, and it is left to be deleted."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from live.leftovers import KEY_DAYS
from live.plan import Failed, Option, Usage
from live.stage import Stage, expect
from sldb import price
from sldb.deploy.protection.key import missing_statements

_GROUPS = ("/aws/lambda/{}-*", "/aws/vendedlogs/sldb/{}-*")


def _make(stage: Stage) -> tuple[str, ...]:
    """Make a key whose policy has what a stack needs; of the log groups it names those of the stack alone."""
    made = stage.account.session.client("kms").create_key(Description=stage.name, Policy=json.dumps(_policy(stage)))
    return ("--kms-key", str(made["KeyMetadata"]["Arn"]))


def _policy(stage: Stage) -> dict[str, Any]:
    account = stage.account
    statements = missing_statements({"Statement": []}, account.id, account.region, has_topic=True)
    for statement in statements:
        if statement["Sid"] == "ForTheLogs":
            (key, every), *_ = statement["Condition"]["ArnLike"].items()
            own = [every.removesuffix("*") + group.format(stage.name) for group in _GROUPS]
            statement["Condition"] = {"ArnLike": {key: own}}
    return {"Version": "2012-10-17", "Statement": statements}


def _use(stage: Stage) -> None:
    key = _key(stage)
    stage.query("CREATE TABLE IF NOT EXISTS secrets (id INTEGER PRIMARY KEY)")
    txid = stage.query("INSERT INTO secrets DEFAULT VALUES").txid
    expect(bool(stage.query("SELECT * FROM secrets").rows), "what was written is read")
    bucket = next(bucket["Name"] for bucket in stage.account.s3.list_buckets()["Buckets"] if _is_data(stage, bucket))
    pages = stage.account.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="databases/main/")
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    written = next(each for each in keys if f"{txid:016x}-{txid:016x}" in each)  # earlier ones keep their encryption
    found = stage.account.s3.head_object(Bucket=bucket, Key=written)
    expect(found.get("SSEKMSKeyId") == key, f"{written} is encrypted with the key: {found.get('SSEKMSKeyId')}")
    group = f"/aws/lambda/{stage.name}-function"
    groups = stage.account.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    expect({each.get("kmsKeyId") for each in groups} == {key}, f"the log groups are encrypted with the key: {groups}")
    expect("can be used" in stage.sldb("doctor", status=None).out, "doctor finds the key usable")


def _is_data(stage: Stage, bucket: Any) -> bool:
    return str(bucket["Name"]).startswith(f"{stage.name}-data-")


def _key(stage: Stage) -> str:
    function = stage.account.functions.get_function_configuration(FunctionName=f"{stage.name}-function")
    return str(function["KMSKeyArn"])


def _refusal(stage: Stage) -> str:
    """Try a log group that the policy of the key does not name."""
    group = f"/aws/lambda/{stage.name}"  # the end of a run looks for this prefix
    try:
        stage.account.logs.create_log_group(logGroupName=group, kmsKeyId=_key(stage))
    except ClientError as error:
        said = error.response["Error"]
        return f"CloudWatch Logs refused a log group that the key's policy does not name: {said['Code']}"
    stage.account.logs.delete_log_group(logGroupName=group)
    raise Failed("CloudWatch Logs took a log group that the key's policy does not name")


OPTION = Option(
    "kms",
    f"a key of KMS, which stays pending deletion for {KEY_DAYS} days, free of charge",
    ("--api", "none"),
    _use,
    {"kms": _refusal},
    Usage(dollars_a_month=price.KMS_KEY_MONTH),
    prepare=_make,
    is_short=False,
)
