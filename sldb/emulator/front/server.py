"""The emulated AWS: one WSGI application on loopback, and the threads and processes behind it.

    with Emulator() as aws:
        boto3.client("s3", endpoint_url=aws.url, ...)

A new Emulator starts from an empty account, or from the state in the directory `data`. moto keeps its state in the
process, so one may run at a time. Leaving the context ends every container, the schedule and the server.
"""

from __future__ import annotations

import http
import logging
import os
import platform
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from werkzeug.serving import BaseWSGIServer

from sldb.emulator.access import bucket_policy, iam, signatures
from sldb.emulator.access.bucket_policy import BucketPolicies
from sldb.emulator.access.principals import Principals
from sldb.emulator.access.uses import Use
from sldb.emulator.calls import function_config
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import DEFAULT_REGION, Answer, Call, decode
from sldb.emulator.calls.errors import AwsError, NotEmulated, render, wrong_region
from sldb.emulator.calls.function_config import ARCHITECTURE, RUNTIME, FunctionName
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.cloudformation.api import CloudFormation
from sldb.emulator.cloudformation.template_reader import TemplateReader
from sldb.emulator.front import access_log_rules, api_gateway, kms_rules, messaging, moto_calls, serving, watching
from sldb.emulator.front.execution_role import check_execution_role
from sldb.emulator.front.hooks import Hook, ReplyLost, chain, check_reach
from sldb.emulator.gateway.http_api import control
from sldb.emulator.gateway.rest_api.control import api as rest_api
from sldb.emulator.gateway.rest_api.control import mappings
from sldb.emulator.gateway.rest_api.documents import Documents
from sldb.emulator.monitoring.metrics import Metrics
from sldb.emulator.runtime.functions import Functions
from sldb.emulator.runtime.mounts import Mounts
from sldb.emulator.runtime.pool import ContainerInfo
from sldb.emulator.runtime.schedule import Schedule
from sldb.emulator.state.recorder import Recorder

SERVICES = (
    *("s3", "ec2", "iam", "sts", "cloudformation", "lambda", "events", "logs"),
    *("secretsmanager", "apigateway", "apigatewayv2", "sqs", "sns", "monitoring", "kms", "elasticfilesystem"),
)
_logger = logging.getLogger(__name__)
_running = threading.Lock()  # held by the one Emulator of this process


class Emulator:
    def __init__(
        self,
        port: int = 0,
        *,
        hooks: Sequence[Hook] = (),
        minute_seconds: float = 60.0,  # how long a minute of the schedule, and of Lambda's retries, takes
        max_idle_containers: int = 16,  # of each function
        max_concurrency: int = 100,  # invocations at a time; more are throttled, as in Lambda
        data: Path | None = None,  # the directory of the state; None: it ends with the process
    ) -> None:
        if not _running.acquire(blocking=False):
            raise RuntimeError("an Emulator runs in this process already: moto has one state for all of it")
        self.hooks = list(hooks)  # may be changed while it runs
        self._root = Path(tempfile.mkdtemp(prefix="sldb-emulator-"))
        self._moto = Moto()
        self._principals = Principals(self._moto)
        self._recorder = None if data is None else self._open_recorder(data)
        self._bucket_policies = BucketPolicies(self._moto, self._recorder)
        queues = messaging.open_queues(self._moto, self._recorder)
        self._authorizer = messaging.authorizer(self._moto, self._bucket_policies, queues)
        self._destinations = messaging.destinations(self._moto, queues, self._authorizer)
        logged = self._recorder.logged if self._recorder else lambda _region: None
        metrics = Metrics(self._moto)
        self.alarms = watching.open_watch(self._moto, metrics, queues, minute_seconds)
        self._functions = Functions(
            self._moto,
            self._principals,
            self._root,
            Mounts(self._moto, (data or self._root) / "file_systems", self._authorizer.service_may),
            minute_seconds=minute_seconds,
            max_idle=max_idle_containers,
            max_concurrency=max_concurrency,
            logged=logged,
            destinations=self._destinations,
            metrics=metrics,
            role_may=self._authorizer.role_may,
        )
        self._messaging = messaging.Messaging.open(
            self._moto, queues, self._functions, self._authorizer, self._recorder, lambda: self.url
        )
        self._rest_apis = self._open_rest_apis()
        self._gateway = api_gateway.gateway(
            self._moto, self._functions, self._principals, self._authorizer, logged, self._rest_apis
        )
        self._server = self._listen(port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.port = self._server.port
        self.url = self._functions.endpoint_url = f"http://{serving.HOST}:{self.port}"
        self._cloudformation = self._open_stacks()
        self._schedule = Schedule(self._moto, self._functions, minute_seconds)

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        self._thread.start()
        self._schedule.start()
        self._messaging.poller.start()
        self.alarms.start()

    def close(self) -> None:
        self._schedule.close()
        self.alarms.close()
        self._messaging.poller.close()
        self._functions.close()
        self._messaging.poller.join()
        self._gateway.close()
        self._cloudformation.wait()  # its operations end by themselves
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self._close_recorder()
        self._release()

    def environment(self) -> dict[str, str]:
        """Return the environment variables for programs that must use this AWS and no other."""
        environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": DEFAULT_REGION,
            "AWS_DEFAULT_REGION": DEFAULT_REGION,
            "AWS_ACCESS_KEY_ID": "emulator",
            "AWS_SECRET_ACCESS_KEY": "emulator",
            "AWS_EC2_METADATA_DISABLED": "true",
            **serving.without_proxy(),
            # The user's profiles and targets stay out of it.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SLDB_CONFIG": os.devnull,
            "SLDB_RUNTIME": RUNTIME,
            "SLDB_ARCHITECTURE": ARCHITECTURE,
        }
        if platform.system() != "Linux":
            environment["SLDB_BUNDLE_PLATFORM"] = "host"  # Lambda's own Linux wheels would not run here
        return environment

    def command_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return `base` with all AWS variables removed and those of this emulator added."""
        kept = {name: value for name, value in base.items() if not name.startswith("AWS_")}
        return {**kept, **self.environment()}

    def containers(self, function: str | None = None) -> tuple[ContainerInfo, ...]:
        return self._functions.pool.list(function)

    def kill_container(self, pid: int) -> None:
        """kill -9 the process of a container. Raises LookupError if no container has it."""
        self._functions.pool.kill(pid)

    def wait_for_stacks(self, seconds: float) -> bool:
        """Wait for the running operations of stacks, each so long at most; return False if none is running."""
        return self._cloudformation.wait(seconds)

    @property
    def uses(self) -> frozenset[Use]:
        """Return the uses of policies by their callers so far."""
        with self._moto.lock:
            return frozenset(self._authorizer.uses)

    def advance(self, seconds: float, *, if_idle: bool = False) -> bool:
        """Move the time of the queues forward, for tests; `if_idle`: not while messages are on their way."""
        return self._messaging.poller.advance(seconds, if_idle=if_idle)

    def log(self, function: str, region: str = DEFAULT_REGION) -> list[str]:
        """Return every line of the function's containers."""
        return self._functions.log(function_config.read(self._moto, FunctionName.parse(function, region)))

    def _listen(self, port: int) -> BaseWSGIServer:
        try:
            return serving.listen(port, self._application)
        except BaseException:
            self._close_recorder()
            self._release()
            raise

    def _open_recorder(self, data: Path) -> Recorder:
        try:
            return Recorder(self._moto, data)
        except BaseException:
            self._release()
            raise

    def _open_stacks(self) -> CloudFormation:
        templates = TemplateReader(self._moto, self._authorizer, self._principals, self.url)
        kept = (self._recorder.stacks, self._recorder.save_stacks) if self._recorder else ()
        return CloudFormation(self.url, templates, *kept)

    def _open_rest_apis(self) -> Documents:
        recorder = self._recorder
        return Documents(recorder.rest_apis, recorder.save_rest_apis) if recorder else Documents()

    def _close_recorder(self) -> None:
        if self._recorder is not None:
            self._recorder.close()

    def _release(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        _running.release()

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = decode(environ)
        try:
            answer = chain(self.hooks, self._answer)(call)
        except ReplyLost:
            # Else the server would keep the connection open, for the caller's next request.
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise
        except AwsError as error:
            answer = render(call, error)
        except Exception:
            _logger.exception("%s:%s failed in the emulator", call.service, call.action)
            failure = AwsError("InternalFailure", "the emulator failed; its log has the traceback", 500)
            answer = render(call, failure)
        start_response(serving.status_line(answer.status), serving.headers_of(answer))
        return [b"" if call.method == "HEAD" else answer.body]

    def _answer(self, call: Call) -> Answer:
        """Return the answer of AWS; an error is an answer, too, so that hooks see it."""
        try:
            return self._apply(call)
        except AwsError as error:
            return render(call, error)

    def _apply(self, call: Call) -> Answer:
        of_api = self._gateway.answer(call)
        if of_api is not None:
            return of_api
        if call.service not in SERVICES:
            raise NotEmulated(f"the service {call.service}")
        if not call.access_key:
            raise AwsError("AccessDenied", f"{call.method} {call.path}: the request is not signed", 403)
        if not self._moto.knows_region(call.region):
            raise wrong_region(call)
        principal = self._principals.find(call.access_key)
        if principal is not None:
            signatures.check(call, principal.credentials)
            check_reach(call, principal)
        if call.service in ("cloudformation", "sqs") or call.action == "Invoke":
            with self._moto.lock:
                self._authorizer.authorize(call, principal)
                if call.action == "Invoke":
                    kms_rules.check_function(self._moto, call)
            if call.service == "sqs":
                return self._messaging.sqs.answer(call)
            return self._functions.answer(call) if call.action == "Invoke" else self._cloudformation.answer(call)
        with self._moto.lock:
            self._authorizer.authorize(call, principal)
            iam.check_policies_in(call)
            self._authorizer.check_boundary_in(call)
            answer = self._control_plane(call)
            if self._recorder is not None and answer.status < http.HTTPStatus.MULTIPLE_CHOICES:
                self._recorder.after(call)
            return self._authorizer.conceal(call, principal, answer)

    def _control_plane(self, call: Call) -> Answer:
        if call.service == "lambda":
            check_execution_role(self._authorizer, call)
            if call.action == "PutFunctionEventInvokeConfig":
                self._destinations.check(call)
            if (of_source := self._messaging.sources.answer(call)) is not None:
                return of_source
        if call.action in bucket_policy.ACTIONS:
            return self._bucket_policies.answer(call)
        if call.service == "apigateway":
            return rest_api.answer(self._rest_apis, call)
        if call.service == "apigatewayv2":
            own = mappings.answer(self._moto, self._rest_apis, call) or control.answer(self._moto, call)
            if own is not None:
                return own
        if call.action == "PutBucketLogging":
            access_log_rules.check(call, self._bucket_policies)
        answer = moto_calls.answer(self._moto, call)
        if call.action == "DeleteBucket" and answer.status == http.HTTPStatus.NO_CONTENT:
            self._bucket_policies.forget(split_bucket_and_key(call.path)[0])
        return answer
