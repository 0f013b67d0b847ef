"""obstore does what the settings say, whatever the environment says beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest

from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store import s3 as s3_store
from lambda_handlers.store.s3 import open_s3
from tests.fakes.stores.scripted_s3 import BUCKET, ScriptedS3, serve_s3

# As obstore's documentation names them, and by the other names that its source knows.
DOCUMENTED = sorted(
    set(re.findall(r"`(AWS_[A-Z0-9_]+)", (Path(obstore.__file__).parent / "_store" / "_aws.pyi").read_text()))
    | {"AWS_PROXY_URL", "AWS_ALLOW_HTTP", "AWS_ALLOW_INVALID_CERTIFICATES", "AWS_TIMEOUT", "AWS_REQUESTER_PAYS"}
)
VALUES = {
    "AWS_CHECKSUM_ALGORITHM": "SHA256",
    "AWS_CONDITIONAL_PUT": "disabled",
    "AWS_COPY_IF_NOT_EXISTS": "multipart",
    "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms",
    "AWS_SSE_CUSTOMER_KEY_BASE64": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "AWS_ENDPOINT": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_PROXY_URL": "http://127.0.0.1:1",
    "AWS_TIMEOUT": "1ms",
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:1"),
}
CREDENTIALS = [Credentials("chosen", "secret"), Credentials("chosen", "secret", "chosen-token")]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    monkeypatch.setattr(s3_store, "RETRIES", 0)
    for name in (*DOCUMENTED, *VALUES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serve_s3() as s3:
        yield s3


def asked(s3: ScriptedS3, credentials: Credentials) -> tuple[list[Any], str]:
    """What a store of these credentials sends, but for times and signatures; and where an address leads."""
    s3.asked, s3.objects = [], {}
    settings = Settings(f"s3://{BUCKET}/p", region="eu-west-1", endpoint_url=s3.url, credentials=credentials)
    store = open_s3(settings, BUCKET, "p")
    try:
        store.put("a", b"1")
        store.create("b", b"2")
        store.get("a")
        list(store.list_objects(""))
        (url,) = store.presign("PUT", ["c"], 60) or []
        store.delete_many(["a", "b"])
    finally:
        store.close()
    varies = re.compile(r"Signature=\w+|X-Amz-(Date|Signature)=\w+|\d{8}(/|%2F)")
    sent = [
        (ask.call, ask.key, sorted((name, varies.sub("", value)) for name, value in ask.headers.items()))
        for ask in s3.asked
    ]
    return [(call, key, [one for one in headers if one[0] != "x-amz-date"]) for call, key, headers in sent], varies.sub(
        "", url
    )


@pytest.mark.parametrize("credentials", CREDENTIALS, ids=["static", "temporary"])
@pytest.mark.parametrize("name", sorted({*DOCUMENTED, *VALUES}))
def test_no_variable_changes_a_request(
    s3: ScriptedS3, monkeypatch: pytest.MonkeyPatch, name: str, credentials: Credentials
) -> None:
    want = asked(s3, credentials)
    monkeypatch.setenv(name, VALUES.get(name, "true"))
    if name.startswith("AWS_SSE_CUSTOMER"):
        monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "sse-c")
    assert asked(s3, credentials) == want
    assert os.environ[name] == VALUES.get(name, "true")  # for those to whom it is addressed


def test_a_token_of_the_environment_is_not_mixed_with_chosen_keys(
    s3: ScriptedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another")
    sent, url = asked(s3, Credentials("chosen", "secret"))
    assert sent
    assert all("x-amz-security-token" not in dict(headers) for _, _, headers in sent)
    assert "Security-Token" not in url
    assert "X-Amz-Credential=chosen" in url
