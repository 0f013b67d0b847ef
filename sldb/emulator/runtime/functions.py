"""Lambda's data plane: invocations run the deployed bundle for real, in containers on this machine.

RequestResponse waits for the result; Event answers 202 and is tried up to three times, one and two minutes apart, as
Lambda does, and goes to the destination of failures after the last; DryRun answers 204. moto's lock is not held while a
function runs.

The output of a container is a file, copied to CloudWatch Logs after every invocation.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from sldb.emulator.access.principals import Principals
from sldb.emulator.calls import function_config
from sldb.emulator.calls.actions import function_in
from sldb.emulator.calls.call import ACCOUNT, Answer, Call
from sldb.emulator.calls.errors import AwsError
from sldb.emulator.calls.function_config import ARCHITECTURE, RUNTIME, FunctionConfig, FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.monitoring.metrics import Metrics
from sldb.emulator.runtime.bundles import Bundles, UnusableBundle
from sldb.emulator.runtime.containers import Container, Limits, Outcome, error_body
from sldb.emulator.runtime.destinations import Destinations
from sldb.emulator.runtime.mounts import Mounts
from sldb.emulator.runtime.pool import THROTTLED, Pool
from sldb.emulator.runtime.process import Program

MAX_PAYLOAD_BYTES: Mapping[str, int] = MappingProxyType(
    {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024, "DryRun": 6 * 1024 * 1024}
)
RETRY_AFTER_MINUTES = (1, 2)
_MAX_CLIENT_CONTEXT = 3583
_logger = logging.getLogger(__name__)


class Functions:
    def __init__(
        self,
        moto: Moto,
        principals: Principals,
        root: Path,
        mounts: Mounts,
        *,
        minute_seconds: float,
        max_idle: int,
        max_concurrency: int,
        logged: Callable[[str], None] = lambda _region: None,  # is called with the region of new log lines
        destinations: Destinations | None = None,  # of asynchronous invocations; None: there are none
        metrics: Metrics | None = None,  # of invocations and of the lines of logs
        role_may: Callable[[str, str, str], bool] = lambda _role_arn, _action, _resource_arn: True,
    ) -> None:
        self.endpoint_url = ""  # known once the server listens
        self.pool = Pool(
            self._make_container, max_idle=max_idle, max_concurrency=max_concurrency, settled=self._keep_log
        )
        self._moto = moto
        self._principals = principals
        self._bundles = Bundles(root)
        self._mounts = mounts
        self._containers_dir = root / "containers"
        self._minute_seconds = minute_seconds
        self._note_logged = logged
        self._role_may = role_may
        self._destinations = destinations
        self._metrics = metrics or Metrics(moto)
        self._stopping = threading.Event()
        self._background: list[threading.Thread] = []
        self._background_lock = threading.Lock()
        self._logged: dict[str, int] = {}  # log stream → bytes that are in CloudWatch Logs already
        self._logging = threading.Lock()

    def answer(self, call: Call) -> Answer:
        """Return the answer to an Invoke call. Raises AwsError."""
        function = FunctionName.parse(function_in(call.path), call.region, call.query.get("Qualifier"))
        kind = call.headers.get("x-amz-invocation-type", "RequestResponse")
        config = function_config.read(self._moto, function)
        _check_size(call.body, kind)
        request_id = str(uuid.uuid4())
        headers = [("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", config.version)]
        if kind == "DryRun":
            return Answer(204, tuple(headers))
        client_context = _client_context(call)
        if kind == "Event":
            self.invoke_later(function, call.body, request_id, client_context)
            return Answer(202, tuple(headers[:1]))
        outcome = self.invoke(config, call.body, request_id, client_context)
        if outcome.failed:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        if call.headers.get("x-amz-log-type") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.log_tail).decode()))
        return Answer(200, (*headers, ("Content-Type", "application/json")), outcome.body)

    def invoke(self, config: FunctionConfig, event: bytes, request_id: str, client_context: str = "") -> Outcome:
        """Run one invocation to its end."""
        if not config.same_machine():
            return Outcome(error_body("Runtime.NotOnThisMachine", _wrong_machine(config)), failed=True)
        try:
            self._bundles.task_dir(config.code, config.code_sha256)
        except UnusableBundle as error:
            return Outcome(error_body("Runtime.InvalidBundle", str(error)), failed=True)
        try:
            with self.pool.container(config) as container:
                started = time.monotonic()
                try:
                    outcome = container.invoke(event or b"{}", request_id, client_context)
                finally:
                    self._keep_log(config, container)
        except AwsError as error:
            if error.code == THROTTLED:
                self._metrics.throttled(config.region, config.name)
            raise
        self._metrics.invoked(config.region, config.name, time.monotonic() - started, failed=outcome.failed)
        return outcome

    def invoke_later(self, function: FunctionName, event: bytes, request_id: str, client_context: str = "") -> None:
        """Run it in the background, and again if it fails."""
        thread = threading.Thread(target=self._attempt, args=(function, event, request_id, client_context), daemon=True)
        with self._background_lock:
            self._background = [each for each in self._background if each.is_alive()]
            self._background.append(thread)
            thread.start()

    def log(self, config: FunctionConfig) -> list[str]:
        """Return every line of the function's containers, from CloudWatch Logs."""
        with self._moto.lock:
            group = self._moto.backend("logs", config.region).groups.get(config.log_group)
            streams = list(group.streams.values()) if group is not None else []
            return [event.message for stream in streams for event in stream.events]

    def close(self) -> None:
        self._stopping.set()
        self.pool.close()
        with self._background_lock:
            threads = self._background
        for thread in threads:
            thread.join()

    def _attempt(self, function: FunctionName, event: bytes, request_id: str, client_context: str) -> None:
        config, outcome = None, None
        for attempt, minutes in enumerate((0, *RETRY_AFTER_MINUTES)):
            if self._stopping.wait(minutes * self._minute_seconds):
                return
            try:
                config = function_config.read(self._moto, function)
                outcome = self.invoke(config, event, request_id, client_context)
            except AwsError as error:  # throttled, deleted meanwhile, or the emulator stops
                if not self._stopping.is_set():
                    _logger.warning("asynchronous invocation of %s: %s", function.name, error)
                continue
            if not outcome.failed or self._stopping.is_set():
                return
            _logger.warning("asynchronous invocation of %s failed: %s", function.name, outcome.body.decode())
            if attempt >= config.retry_attempts:
                break
        if self._destinations is not None and config is not None and outcome is not None:
            self._destinations.send_failure(config, request_id, event, outcome, attempt + 1)

    def _make_container(self, config: FunctionConfig) -> Container:
        variables = self._mounts.environment(config)
        is_isolated = bool(config.subnet_ids)
        credentials = self._principals.mint(config.role_arn, config.name, config.function_arn, is_isolated=is_isolated)
        program = Program(
            function_arn=config.arn,
            handler=config.handler,
            task_dir=self._bundles.task_dir(config.code, config.code_sha256),
            runtime=self._bundles.runtime(),
            environment={
                **_machine_environment(),
                "SLDB_LARGE_COMMITS": "parts",  # as over AWS's own S3: this one completes atomically, too
                **variables,
                "AWS_ENDPOINT_URL": self.endpoint_url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
                "AWS_SESSION_TOKEN": credentials.session_token,
                "AWS_REGION": config.region,
                "AWS_DEFAULT_REGION": config.region,
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
                "AWS_LAMBDA_FUNCTION_NAME": config.name,
                "AWS_LAMBDA_FUNCTION_VERSION": config.version,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_GROUP_NAME": config.log_group,
                "LAMBDA_TASK_ROOT": str(self._bundles.task_dir(config.code, config.code_sha256)),
                "_HANDLER": config.handler,
                "TZ": ":UTC",
            },
        )
        return Container(program, Limits(config.timeout_seconds, config.memory_mb), self._containers_dir)

    def _keep_log(self, config: FunctionConfig, container: Container) -> None:
        with self._logging, self._moto.lock:
            start = self._logged.get(container.log_stream, 0)
            text = container.read_log(start)
            text = text[: text.rfind(b"\n") + 1]  # an extension may be about to end its line
            self._logged[container.log_stream] = start + len(text)
            lines = text.decode("utf-8", "replace").splitlines()
            if self._may_log(config, container.log_stream):
                _put_log_events(self._moto, config, container.log_stream, lines)
                self._note_logged(config.region)
        self._metrics.put_lines(config.region, lines)

    def _may_log(self, config: FunctionConfig, stream: str) -> bool:
        """Make the log group if there is none. Return False if the function's role may not log: the lines are lost."""
        groups = self._moto.backend("logs", config.region).groups
        arn = f"arn:aws:logs:{config.region}:{ACCOUNT}:log-group:{config.log_group}"
        has_group = config.log_group in groups
        needed = [] if has_group else [("logs:CreateLogGroup", arn)]
        if not has_group or stream not in groups[config.log_group].streams:
            needed.append(("logs:CreateLogStream", f"{arn}:log-stream:{stream}"))
        needed.append(("logs:PutLogEvents", f"{arn}:log-stream:{stream}"))
        if not all(self._role_may(config.role_arn, action, resource) for action, resource in needed):
            return False
        if not has_group:
            self._moto.backend("logs", config.region).create_log_group(config.log_group, {})
        return True


def _put_log_events(moto: Moto, config: FunctionConfig, stream: str, lines: list[str]) -> None:
    logs = moto.backend("logs", config.region)
    if stream not in logs.groups[config.log_group].streams:
        logs.create_log_stream(config.log_group, stream)
    now_ms = int(time.time() * 1000)
    logs.put_log_events(config.log_group, stream, [{"timestamp": now_ms, "message": line} for line in lines])


def _check_size(payload: bytes, kind: str) -> None:
    limit = MAX_PAYLOAD_BYTES.get(kind)
    if limit is None:
        raise AwsError("InvalidParameterValueException", f"Unknown invocation type: {kind}")
    if len(payload) > limit:
        raise AwsError(
            "RequestEntityTooLargeException",
            f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
            413,
        )


def _client_context(call: Call) -> str:
    """Return the client context of an invocation: JSON, at most 3,583 bytes in base64 (API reference of Invoke)."""
    given = call.headers.get("x-amz-client-context", "")
    try:
        text = base64.b64decode(given, validate=True).decode()
        if len(given) > _MAX_CLIENT_CONTEXT or (text and not isinstance(json.loads(text), dict)):
            raise ValueError
    except ValueError as error:
        raise AwsError(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."
        ) from error
    return text


def _wrong_machine(config: FunctionConfig) -> str:
    return (
        f"{config.name} is built for {config.runtime} on {config.architecture}, and this emulator runs {RUNTIME} on "
        f"{ARCHITECTURE}: deploy it with SLDB_RUNTIME={RUNTIME} and SLDB_ARCHITECTURE={ARCHITECTURE}"
    )


def _machine_environment() -> dict[str, str]:
    """Return the variables that any process needs on this machine, and none of the user's own."""
    wanted = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
    return {"LANG": "en_US.UTF-8", **{name: os.environ[name] for name in wanted if name in os.environ}}
