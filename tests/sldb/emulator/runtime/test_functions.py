"""Invocations: the deployed bundle runs, and ends as it would in Lambda."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sldb.emulator.runtime import runtime_api
from sldb.emulator.runtime.process import Process

ECHO = """
import os
calls = 0
def handler(event, context):
    global calls
    calls += 1
    return {"event": event, "pid": os.getpid(), "calls": calls}
"""


@pytest.fixture(scope="module")
def echo(account: Any) -> str:
    return str(account.function(ECHO))


def test_event_arrives_and_result_returns(account: Any, echo: str) -> None:
    event = {"text": "ü\u0000€", "number": 2**53 - 1, "list": [None, True, 1.5]}
    assert account.invoke(echo, event)["event"] == event


def test_no_payload_is_an_empty_object(account: Any, echo: str) -> None:
    answer = account.client("lambda").invoke(FunctionName=echo)
    assert json.loads(answer["Payload"].read())["event"] == {}


@pytest.mark.parametrize("form", ["{}", "{}:$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:{}"])
def test_every_way_to_name_a_function(account: Any, echo: str, form: str) -> None:
    assert account.invoke(form.format(echo), 1)["event"] == 1


def test_unknown_function(account: Any) -> None:
    with pytest.raises(
        ClientError, match=r"Function not found: arn:aws:lambda:us-east-1:\d+:function:nobody"
    ) as caught:
        account.invoke("nobody")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_warm_container_is_used_again(account: Any) -> None:
    name = account.function(ECHO)
    first, second = account.invoke(name), account.invoke(name)
    assert (first["pid"], second["calls"]) == (second["pid"], 2)


def test_invocations_at_the_same_time_have_containers_of_their_own(account: Any, aws: Any) -> None:
    # Each waits until all four have begun: only four containers at once can end it.
    directory = account.function(
        """
import os, pathlib, time
def handler(event, context):
    meeting = pathlib.Path(os.environ["MEETING"])
    (meeting / str(os.getpid())).touch()
    while len(list(meeting.iterdir())) < 4:
        time.sleep(0.01)
    return os.getpid()
""",
        Environment={"Variables": {"MEETING": str(_meeting(aws))}},
    )
    with ThreadPoolExecutor(4) as threads:
        pids = list(threads.map(lambda _: account.invoke(directory), range(4)))
    assert len(set(pids)) == 4
    assert {info.pid for info in aws.containers(directory)} == set(pids)


def _meeting(aws: Any) -> Path:
    return Path(tempfile.mkdtemp(prefix="meeting-", dir=aws._root))


def test_settings_of_the_function_reach_it(account: Any) -> None:
    name = account.function(
        """
import os
def handler(event, context):
    names = ("SETTING", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "_HANDLER", "HOME")
    return {**{n: os.environ.get(n) for n in names}, "arn": context.invoked_function_arn,
            "remaining": context.get_remaining_time_in_millis()}
""",
        Environment={"Variables": {"SETTING": "a=b"}},
        MemorySize=256,
        Timeout=7,
    )
    seen = account.invoke(name)
    assert 0 < seen.pop("remaining") <= 7000
    assert seen == {
        "SETTING": "a=b",
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "_HANDLER": "main.handler",
        "HOME": None,
        "arn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
    }


def test_packages_of_this_machine_are_not_there(account: Any) -> None:
    name = account.function("import boto3\ndef handler(event, context):\n    return 1")
    assert account.invoke(name) == {
        "errorMessage": "Unable to import module 'main': No module named 'boto3'",
        "errorType": "Runtime.ImportModuleError",
        "requestId": "",
        "stackTrace": [],
    }


def test_only_the_standard_library_and_the_runtime_can_be_imported(account: Any) -> None:
    name = account.function(
        """
import importlib.util, sys
def handler(event, context):
    return [name for name in event if importlib.util.find_spec(name)]
"""
    )
    wanted = ["sqlite3", "awslambdaric", "apsw", "obstore", "lambda_handlers", "sldb", "pip", "pytest", "moto"]
    assert account.invoke(name, wanted) == ["sqlite3", "awslambdaric"]


def test_exception_is_an_unhandled_error(account: Any) -> None:
    name = account.function("def handler(event, context):\n    raise ValueError('no such luck')")
    answer = account.client("lambda").invoke(FunctionName=name)
    error = json.loads(answer["Payload"].read())
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such luck")
    assert "no such luck" in "".join(error["stackTrace"])


SLEEPS = """
import os, pathlib, tempfile, time
note = pathlib.Path(tempfile.gettempdir(), "note")
begun = []
def handler(event, context):
    begun.append(event)
    if event == "sleep":
        note.write_text("kept")
        time.sleep(60)
    if event == "exit":
        note.write_text("kept")
        os._exit(3)
    return {"note": note.read_text() if note.exists() else None, "begun": begun, "tmp": str(note.parent)}
"""


@pytest.mark.parametrize(
    ("event", "error_type", "message"),
    [
        ("sleep", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    ],
)
def test_time_out_and_exit_keep_tmp_and_lose_memory(
    account: Any, aws: Any, event: str, error_type: str, message: str
) -> None:
    name = account.function(SLEEPS, Timeout=1)
    account.invoke(name, "first")
    answer = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail")
    error = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == error_type
    assert error["errorMessage"].endswith(message)
    assert message in base64.b64decode(answer["LogResult"]).decode()
    after = account.invoke(name, "after")
    assert (after["note"], after["begun"]) == ("kept", ["after"])
    assert len(aws.containers(name)) == 1


def test_every_container_has_its_own_tmp(account: Any, aws: Any) -> None:
    name = account.function(SLEEPS)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: account.invoke(name, "x"), range(2)))
    directories = {info.tmp_dir for info in aws.containers(name)}
    assert len(directories) == len(aws.containers(name))
    assert account.invoke(name, "y")["tmp"] in {str(path) for path in directories}


def test_kill_during_an_invocation(account: Any, aws: Any, wait: Any) -> None:
    name = account.function(SLEEPS)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(account.invoke, name, "sleep")
        pid = wait(lambda: next((info.pid for info in aws.containers(name) if info.busy and info.pid), None))
        wait(lambda: any((info.tmp_dir / "note").exists() for info in aws.containers(name)))
        aws.kill_container(pid)
        assert running.result()["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert account.invoke(name, "after")["note"] == "kept"


def test_kill_of_an_idle_container_is_not_noticed(account: Any, aws: Any) -> None:
    name = account.function(ECHO)
    first = account.invoke(name)
    aws.kill_container(first["pid"])
    second = account.invoke(name)
    assert second["calls"] == 1
    assert second["pid"] != first["pid"]


def test_kill_of_nobody(aws: Any) -> None:
    with pytest.raises(LookupError, match="no container has process 1"):
        aws.kill_container(1)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell a process's memory")
def test_memory_limit(account: Any) -> None:
    source = "import time\ndef handler(event, context):\n    block = bytearray(300_000_000)\n    time.sleep(30)"
    name = account.function(source, MemorySize=128)
    assert account.invoke(name)["errorMessage"].endswith("Runtime exited with error: signal: killed")


def test_slow_import_has_ten_seconds_and_then_the_invocation(
    account: Any, aws: Any, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sldb.emulator.runtime.containers.INIT_SECONDS", 0.5)
    source = """
import pathlib, tempfile, time
while not pathlib.Path(tempfile.gettempdir(), "go").exists():
    time.sleep(0.01)
def handler(event, context):
    return "imported"
"""
    name = account.function(source)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(account.invoke, name)
        (container,) = wait(lambda: aws.containers(name))
        log = container.log_path  # it reaches `aws.log` at the end of the invocation
        wait(lambda: log.exists() and re.search(r"^INIT_REPORT .* timeout$", log.read_text(), re.MULTILINE))
        (container.tmp_dir / "go").touch()
        assert running.result() == "imported"


def test_payload_too_large(account: Any, echo: str) -> None:
    with pytest.raises(ClientError, match=r"6291458 byte payload is too large for the RequestResponse") as caught:
        account.invoke(echo, "x" * 6291456)
    assert caught.value.response["Error"]["Code"] == "RequestEntityTooLargeException"
    with pytest.raises(ClientError, match=r"limit 1048576 bytes"):
        account.invoke(echo, "x" * 1048576, InvocationType="Event")


def test_response_too_large(account: Any) -> None:
    name = account.function("def handler(event, context):\n    return 'x' * event")
    largest = 6 * 1024 * 1024 + 100 - 2  # two quotes
    assert len(account.invoke(name, largest)) == largest
    error = account.invoke(name, largest + 1)
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert "(6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)" in error["errorMessage"]
    assert account.invoke(name, 1) == "x"


def test_changed_code_and_configuration_retire_containers(account: Any, aws: Any) -> None:
    name = account.function(ECHO)
    old = account.invoke(name)["pid"]
    times = [account.client("lambda").get_function_configuration(FunctionName=name)["LastModified"]]
    code = ECHO.replace('"event": event', '"event": "new"')
    account.client("lambda").update_function_code(FunctionName=name, ZipFile=_zip(code))
    changed = account.invoke(name)
    assert changed["event"] == "new"
    times.append(account.client("lambda").get_function_configuration(FunctionName=name)["LastModified"])
    answer = account.client("lambda").update_function_configuration(FunctionName=name, Timeout=9)
    times.append(answer["LastModified"])
    assert times == sorted(set(times))
    assert account.client("lambda").get_function(FunctionName=name)["Configuration"]["LastModified"] == times[-1]
    assert account.invoke(name)["pid"] not in (old, changed["pid"])
    assert len(aws.containers(name)) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(old, 0)


def _zip(source: str) -> bytes:
    from tests.sldb.emulator.conftest import zipped

    return zipped({"main.py": source})


def test_log_is_kept_for_each_function(account: Any, aws: Any) -> None:
    name = account.function("def handler(event, context):\n    print('seen', event)")
    answer = account.client("lambda").invoke(FunctionName=name, Payload=b"1", LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert tail[0].startswith("START RequestId: ")
    assert tail[1] == "seen 1"
    assert tail[-1].startswith("REPORT RequestId: ")
    account.invoke(name, 2)
    assert [line for line in aws.log(name) if line.startswith("seen")] == ["seen 1", "seen 2"]
    events = account.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert [event["message"] for event in events] == aws.log(name)


def test_lines_are_lost_without_a_group_that_the_role_may_make(account: Any, aws: Any) -> None:
    writes = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    name = account.function("def handler(event, context):\n    print('seen', event)", role=account.role(writes))
    logs, group = account.client("logs"), f"/aws/lambda/{name}"
    account.invoke(name, 1)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    logs.create_log_group(logGroupName=group)
    account.invoke(name, 2)
    assert [line for line in aws.log(name) if line.startswith("seen")] == ["seen 2"]


@pytest.mark.parametrize("action", ["logs:CreateLogStream", "logs:PutLogEvents"])
def test_lines_are_lost_that_the_role_may_not_write(account: Any, aws: Any, action: str) -> None:
    writes = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", action], "Resource": "*"}
    name = account.function("def handler(event, context):\n    print('seen', event)", role=account.role(writes))
    account.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    account.invoke(name, 1)
    assert aws.log(name) == []


@pytest.mark.parametrize("setting", [{"Runtime": "python3.9"}, {"Architectures": ["arm64", "x86_64"]}])
def test_bundle_for_another_machine_is_refused_by_name(account: Any, aws: Any, setting: dict[str, Any]) -> None:
    environment = aws.environment()
    if "Architectures" in setting:
        setting = {
            "Architectures": [each for each in setting["Architectures"] if each != environment["SLDB_ARCHITECTURE"]]
        }
    name = account.function(ECHO, **setting)
    error = account.invoke(name)
    assert error["errorType"] == "Runtime.NotOnThisMachine"
    assert next(iter(setting.values()))[0 if "Architectures" in setting else slice(None)] in error["errorMessage"]
    assert f"this emulator runs {environment['SLDB_RUNTIME']}" in error["errorMessage"]


def test_bundle_that_lambda_may_not_read(account: Any) -> None:
    from tests.sldb.emulator.conftest import zipped

    name = account.function(ECHO, Code={"ZipFile": zipped({"main.py": ECHO}, mode=0o600)})
    for _ in range(3):  # the first call leaves nothing that the others meet
        error = account.invoke(name)
        assert error["errorType"] == "Runtime.InvalidBundle"
        assert "main.py has mode 0600" in error["errorMessage"]
    account.client("lambda").update_function_code(FunctionName=name, ZipFile=zipped({"main.py": ECHO}))
    assert account.invoke(name, 1)["event"] == 1


def test_bundle_with_a_damaged_entry(account: Any) -> None:
    from tests.sldb.emulator.conftest import zipped

    damaged = zipped({"main.py": ECHO}).replace(b"calls += 1", b"calls += 2")
    name = account.function(ECHO, Code={"ZipFile": damaged})
    for _ in range(2):
        error = account.invoke(name)
        assert error["errorType"] == "Runtime.InvalidBundle"
        assert "Bad CRC-32" in error["errorMessage"]


def test_asynchronous_invocation(account: Any, aws: Any, wait: Any) -> None:
    name = account.function("def handler(event, context):\n    print('ran', event)")
    answer = account.client("lambda").invoke(FunctionName=name, Payload=b"5", InvocationType="Event")
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    wait(lambda: "ran 5" in aws.log(name))


def test_failed_asynchronous_invocation_is_tried_three_times(account: Any, aws: Any, wait: Any) -> None:
    name = account.function(
        "def handler(event, context):\n    print('tried', context.aws_request_id)\n    raise OSError"
    )
    account.client("lambda").invoke(FunctionName=name, InvocationType="Event")
    tries = wait(
        lambda: (found := [line for line in aws.log(name) if line.startswith("tried")]) and len(found) == 3 and found
    )
    assert len(set(tries)) == 1


def test_number_of_tries_can_be_set(account: Any, aws: Any, wait: Any) -> None:
    name = account.function("def handler(event, context):\n    print('tried')\n    raise OSError")
    client = account.client("lambda")
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    client.invoke(FunctionName=name, InvocationType="Event")
    wait(lambda: "tried" in aws.log(name))
    control = account.function("def handler(event, context):\n    print('tried')\n    raise OSError")
    client.put_function_event_invoke_config(FunctionName=control, MaximumRetryAttempts=1)
    client.invoke(FunctionName=control, InvocationType="Event")
    wait(lambda: aws.log(control).count("tried") == 2)
    assert aws.log(name).count("tried") == 1


def test_reserved_concurrency_throttles(account: Any, aws: Any, wait: Any) -> None:
    name = account.function(SLEEPS)
    account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(account.invoke, name, "sleep")
        pid = wait(lambda: next((info.pid for info in aws.containers(name) if info.busy), None))
        with pytest.raises(ClientError) as caught:
            account.invoke(name)
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        aws.kill_container(pid)
        running.result()


def test_dry_run_runs_nothing(account: Any, aws: Any) -> None:
    name = account.function(ECHO)
    assert account.client("lambda").invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert aws.containers(name) == ()


def test_function_reaches_the_emulated_aws(account: Any, aws: Any) -> None:
    name = account.function(
        """
import os, urllib.request
def handler(event, context):
    try:
        urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/bucket/key")
    except urllib.error.HTTPError as error:
        return error.code, os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_ACCESS_KEY_ID"][:4]
"""
    )
    assert account.invoke(name) == [403, aws.url, "ASIA"]


def test_other_calls_go_on_while_a_function_runs(account: Any, aws: Any, wait: Any) -> None:
    name = account.function(SLEEPS)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(account.invoke, name, "sleep")
        pid = wait(lambda: next((info.pid for info in aws.containers(name) if info.busy and info.pid), None))
        account.bucket()
        assert not running.done()
        aws.kill_container(pid)
        running.result()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"Environment": {"Variables": {"AWS_REGION": "x", "OK": "y"}}},
            "Reserved keys used in this request: AWS_REGION",
        ),
        ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, "exceeded the 4096 bytes limit"),
        ({"Role": "arn:aws:iam::123456789012:role/nobody"}, "cannot be assumed by Lambda"),
        ({"Code": {"ZipFile": b"not a zip"}}, "Could not unzip uploaded file"),
        ({"Code": {"S3Bucket": "no-such-bucket", "S3Key": "k"}}, "NoSuchBucket"),
        (
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
            "permissions to call CreateNetworkInterface on EC2",
        ),
        ({"TracingConfig": {"Mode": "Active"}}, "permissions to call PutTraceSegments on XRAY"),
    ],
)
def test_functions_that_lambda_refuses(account: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        account.function(ECHO, **settings)


def test_role_that_does_not_trust_lambda(account: Any) -> None:
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    made = account.client("iam").create_role(RoleName="for-ec2", AssumeRolePolicyDocument=json.dumps(trust))
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        account.function(ECHO, role=made["Role"]["Arn"])


def test_idle_containers_are_limited(account: Any) -> None:
    """At the level of the pool: three that were busy at once, of which two stay."""
    from sldb.emulator.calls.function_config import FunctionConfig
    from sldb.emulator.runtime.pool import Pool

    closed: list[int] = []

    class _Recorded:
        pid = None
        is_settling = False
        tmp_dir = log_path = Path()

        def __init__(self, number: int) -> None:
            self.number = number

        def end(self) -> None:
            pass

        def close(self) -> None:
            closed.append(self.number)

    numbers = iter(range(10))
    pool = Pool(lambda config: _Recorded(next(numbers)), max_idle=2, max_concurrency=5)  # type: ignore[arg-type,return-value]  # what the pool uses of a container
    config = FunctionConfig("f", "r", "arn", "1", "h", "p", "a", "role", 1, 1, (), "sha", None, 2, "", (), (), b"")
    with pool.container(config), pool.container(config), pool.container(config):
        assert len(pool.list("f")) == 3
    assert len(pool.list("f")) == 2
    assert len(closed) == 1
    pool.close()
    assert len(closed) == 3


def test_a_result_counts_although_its_process_ends_at_once(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the watchdog does it: it answers in place of the handler, and ends the process."""
    name = account.function(
        """
import http.client, os
def handler(event, context):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request("POST", f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response", b'"given up"')
    connection.getresponse().read()
    os._exit(1)
"""
    )
    reply, watches = runtime_api._Handler._reply, []
    report_exit = Process._report_exit

    def report(self: Process) -> None:
        watches.append(threading.current_thread())
        report_exit(self)

    def reply_and_lag(self: Any, status: int, *rest: Any) -> None:
        reply(self, status, *rest)
        if status == 202:
            watches[-1].join(0.5)  # the end of the process would be reported by then

    monkeypatch.setattr(Process, "_report_exit", report)
    monkeypatch.setattr(runtime_api._Handler, "_reply", reply_and_lag)
    assert account.invoke(name) == "given up"
