"""A Lambda runtime for systems without awslambdaric (macOS, Windows): the same Runtime API and words for errors, in the
standard library alone. Runs in the container, without access to this project's modules.

    python -m stand_in HANDLER
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any, NoReturn

_API = "/2018-06-01/runtime"


class Context:
    """A handler's information about its invocation."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        given = json.loads(headers.get("Lambda-Runtime-Client-Context") or "null")
        self.client_context = types.SimpleNamespace(**given) if isinstance(given, dict) else None
        self.identity = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))


class RuntimeApi:
    def __init__(self, address: str) -> None:
        self._address = address

    def next(self) -> tuple[bytes, http.client.HTTPMessage]:
        body, answer = self._request("GET", "/invocation/next")
        return body, answer.headers

    def post(self, path: str, content: object) -> None:
        text = json.dumps(content, ensure_ascii=False, separators=(", ", ": "))
        _, answer = self._request("POST", path, text.encode())
        if answer.status != http.client.ACCEPTED:
            sys.exit(f"LAMBDA_RUNTIME Failed to post to {path}. Http response code: {answer.status}.")

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._address)
        try:
            connection.request(method, _API + path, body)
            answer = connection.getresponse()
            return answer.read(), answer
        finally:
            connection.close()


def main(handler_name: str) -> NoReturn:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a file, in a container
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    handler = _load(handler_name, api)
    while True:
        event, headers = api.next()
        _invoke(api, handler, event, Context(headers))


def _load(name: str, api: RuntimeApi) -> Callable[[Any, Context], Any]:
    module, _, function = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module.replace("/", ".")), function)  # type: ignore[no-any-return]
    except ImportError as error:
        failure = _error("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}", [])
    except AttributeError:
        failure = _error("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'", [])
    except Exception as error:  # noqa: BLE001  # whatever the module raises is its result
        failure = _raised(error)
    _print_error(failure)
    api.post("/init/error", failure)
    sys.exit(1)


def _invoke(api: RuntimeApi, handler: Callable[[Any, Context], Any], event: bytes, context: Context) -> None:
    path = f"/invocation/{context.aws_request_id}"
    try:
        result = handler(json.loads(event), context)
        json.dumps(result)
    except Exception as error:  # noqa: BLE001  # whatever the handler raises is its result
        failure = {**_raised(error), "requestId": context.aws_request_id}
        _print_error(failure)
        api.post(f"{path}/error", failure)
    else:
        api.post(f"{path}/response", result)


def _raised(error: Exception) -> dict[str, Any]:
    # Its first frame is this module's.
    stack = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    return _error(type(error).__name__, str(error), stack)


def _error(kind: str, message: str, stack: list[str]) -> dict[str, Any]:
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": stack}


def _print_error(failure: dict[str, Any]) -> None:
    lines = [f"[ERROR] {failure['errorType']}: {failure['errorMessage']}", *failure["stackTrace"]]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1])
