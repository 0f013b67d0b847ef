"""Large responses over S3 itself, as moto plays it: their addresses, followed by real clients, and CORS."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.store.protocol import PART_BYTES
from tests.fakes.databases.hrana import execute
from tests.fakes.databases.service import container

# The rule of docs/http.md.
CORS = {
    "CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 600}]
}
ROWS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT i, hex(zeroblob(2500)) AS b FROM n"
)
MANY, IN_PARTS = ROWS.format(100), ROWS.format(3 * PART_BYTES // 10_000)


@pytest.fixture
def service(s3_store: Any) -> Iterator[Service]:
    service = container(s3_store, reply_limit_bytes=100_000)
    yield service
    service.close()


def location(service: Service, path: str, body: Any) -> str:
    event = {
        "rawPath": path,
        "requestContext": {"http": {"method": "POST"}},
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body),
    }
    response = service.handle(event)
    assert response["statusCode"] == 303, response
    return str(response["headers"]["location"])


def get(url: str) -> tuple[Any, bytes]:
    with urllib.request.urlopen(url) as response:
        return response.headers, response.read()


@pytest.mark.parametrize(("query", "count"), [(MANY, 100), (IN_PARTS, 3 * PART_BYTES // 10_000)], ids=["put", "parts"])
def test_an_address_has_the_whole_reply_and_its_kind(service: Service, query: str, count: int) -> None:
    headers, body = get(location(service, "/main/read", {"query": query}))
    assert headers["content-type"] == "application/json"
    assert "content-encoding" not in headers
    assert [row[0] for row in json.loads(body)["rows"]] == list(range(1, count + 1))


def test_the_lines_of_a_cursor(service: Service) -> None:
    url = location(service, "/main/v3/cursor", {"batch": {"steps": [{"stmt": {"sql": MANY}}]}})
    headers, body = get(url)
    assert headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line).get("type") for line in body.splitlines()][1:] == [
        *("step_begin", *["row"] * 100, "step_end", "replication_index")
    ]


def test_an_address_is_for_this_object_and_a_get_alone(service: Service) -> None:
    url = location(service, "/main/v3/pipeline", {"requests": [execute(MANY)]})
    assert url.partition("?")[0].endswith(".json")
    assert "X-Amz-Expires=900" in url
    assert "X-Amz-Signature=" in url


def test_the_rule_for_pages_is_one_that_s3_takes(s3_settings: Settings, s3_client: Any) -> None:
    """moto lets every page read every object, with any rule and without one: more than this it cannot show."""
    bucket = s3_settings.store.removeprefix("s3://").partition("/")[0]
    s3_client.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
    assert s3_client.get_bucket_cors(Bucket=bucket)["CORSRules"] == CORS["CORSRules"]


def test_the_rule_is_that_of_the_documentation() -> None:
    page = Path(__file__).parents[3] / "docs/http.md"
    assert json.dumps(CORS) in page.read_text("utf-8")
