"""Requests and their answers, by the command line and by Lambda's API."""

from __future__ import annotations

import base64
import gzip
import json
import random
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

from lambda_handlers.storage.log.keys import streams_prefix, transactions_key
from sldb.cli.main import run as run_command
from tests.end_to_end.stack import FUNCTION

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def test_a_deploy_without_changes_uploads_nothing_and_says_so(stack, capsys):
    uploads = []

    def watch(call, proceed):
        if call.action in ("PutObject", "CreateMultipartUpload"):
            uploads.append(call.path)
        return proceed(call)

    with stack.hook(watch):
        assert stack.deploy() == 0
    assert "up to date" in capsys.readouterr().err
    assert uploads == []


def test_the_command_line_writes_and_reads(stack, capsys):
    table = stack.new_table()
    assert run_command(["query", f"INSERT INTO {table} VALUES (:a)", "-p", "a:blob=@" + __file__]) == 0
    assert run_command(["query", f"INSERT INTO {table} VALUES (9007199254740993), (NULL), ('[red]')"]) == 0
    capsys.readouterr()
    assert run_command(["query", f"SELECT a FROM {table} WHERE rowid > 1", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"a": 9007199254740993}, {"a": None}, {"a": "[red]"}]
    assert run_command(["query", f"SELECT nope FROM {table}"]) == 1
    assert "no such column: nope" in capsys.readouterr().err


def test_what_destroys_is_told_and_refused(stack, capsys):
    table = stack.new_table()
    stack.run(f"INSERT INTO {table} VALUES (1), (2)")
    delete = f"WITH x AS (SELECT 2) DELETE FROM {table} WHERE a IN x"
    assert run_command(["query", delete, "--dry-run", "--stats"]) == 0
    told = capsys.readouterr().err
    assert f"  {table}: 1 deleted" in told
    assert " per million" in told
    status, body = stack.invoke({"query": delete, "careful": True})
    assert (status, body["error"]["code"]) == (428, "unconfirmed")
    assert body["error"]["message"] == f"this deletes 1 of 2 rows of {table}"
    assert stack.rows(table) == [1, 2]


def test_a_dump_of_sqlite3_runs_as_it_is(stack):
    table = f"t_{uuid.uuid4().hex[:8]}"
    dump = f"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE {table} (a);\nCOMMIT;\n"
    stack.run(dump.replace("COMMIT", f"INSERT INTO {table} VALUES(7);\nCOMMIT"))
    assert stack.rows(table) == [7]


def test_many_databases_are_asked_side_by_side(stack, capsys):
    for letter in "ab":
        stack.run(f"CREATE TABLE fleet (x); INSERT INTO fleet VALUES ('{letter}')", database=f"fleet-{letter}")
    capsys.readouterr()
    assert run_command(["query", "SELECT x FROM fleet", "--all-databases", "fleet-*", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "_database,x\nfleet-a,a\nfleet-b,b\n"


@pytest.mark.long
def test_rows_that_do_not_fit_into_a_reply(stack, capsys):
    """40 MB of them come by way of an object of the store; whoever reads the command's output does not notice."""
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000)"
    capsys.readouterr()
    query = f"{series} SELECT i, hex(zeroblob(500)) AS zeros FROM n"
    assert run_command(["query", query, "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "i,zeros"
    assert lines[1:] == [f"{number},{'0' * 1000}" for number in range(1, 40_001)]
    body = stack.run(query)
    assert body["rows_count"] == 40_000
    bucket = next(each["Name"] for each in stack.s3.list_buckets()["Buckets"] if "-data-" in each["Name"])
    assert f"/{bucket}/databases/_replies/" in body["rows_url"]
    with urllib.request.urlopen(body["rows_url"]) as answer:  # with nothing but the URL
        assert gzip.decompress(answer.read()).count(b"\n") == 40_000
    rules = stack.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {"Prefix": "databases/_replies/"} in [rule["Filter"] for rule in rules]
    assert run_command(["databases", "--format", "csv"]) == 0
    assert "_replies" not in capsys.readouterr().out


def test_a_transaction_over_several_requests_has_its_key_and_its_objects_in_the_bucket(stack):
    table = stack.new_table()
    token = stack.run(f"INSERT INTO {table} VALUES (0)", transaction={"begin": True})["transaction"]["token"]
    blob = {"$blob": base64.b64encode(random.Random(1).randbytes(100_000)).decode()}
    insert = {"query": f"INSERT INTO {table} VALUES (length(?))", "params": [blob]}
    token = stack.run(**insert, transaction={"token": token})["transaction"]["token"]
    assert len(token) < 200  # the transaction is an object
    for _ in range(2):
        status, body = stack.invoke({"transaction": {"token": token, "end": "commit"}})
        assert (status, body["transaction"]) == (200, {"ended": "commit"})
    assert stack.rows(table) == [0, 100_000]
    bucket = next(each["Name"] for each in stack.s3.list_buckets()["Buckets"] if "-data-" in each["Name"])
    for prefix, may_read in ((transactions_key(), False), (streams_prefix(), True)):
        (found,) = stack.s3.list_objects_v2(Bucket=bucket, Prefix=f"databases/{prefix}")["Contents"]
        if may_read:
            assert stack.s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                stack.s3.get_object(Bucket=bucket, Key=found["Key"])


@pytest.mark.parametrize("shape", [pytest.param("direct", marks=pytest.mark.long), "http"])
def test_every_reply_fits_into_lambdas_limit(stack, shape):
    """Around the size where rows leave it, in the text that grows most on its way."""
    for count in (2_000, 10_000, 14_000, 18_000, 22_000, 40_000):
        row = '\'"\\"\\"\\"\\"\\"\\"\\"\\"\\é漢\' AS t'
        series = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {count})"
        event = {"query": f"{series} SELECT {row}, i FROM n"}
        if shape == "http":
            event = {"httpMethod": "POST", "path": "/", "requestContext": {}, "body": json.dumps(event)}
        status, body = stack.invoke(event)
        assert status == 200
        body = json.loads(body) if shape == "http" else body
        assert body.get("rows_count", len(body.get("rows", ()))) == count


def test_the_log_has_a_line_for_each_request_and_no_value(stack):
    stack.run("SELECT 'a secret' AS s", request_id="for the log")
    lines = [json.loads(line) for line in stack.aws.log(FUNCTION) if line.startswith("{")]
    line = next(line for line in lines if line.get("request_id") == "for the log")
    assert (line["status"], line["database"]) == (200, "main")
    assert "a secret" not in json.dumps(lines)
