"""Secrets Manager: reading the text of a secret, signed and sent without boto3.

The protocol is AWS JSON 1.1: POST / with the action in `x-amz-target`; an error has its code in `__type`. See
"GetSecretValue" in the Secrets Manager API reference. The text of a secret is in no error and no log.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lambda_handlers.aws.connections import Answer, Connections, NoAnswer
from lambda_handlers.aws.sigv4 import sign
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.endpoints import Endpoint

SERVICE = "secretsmanager"
CONTENT_TYPE = "application/x-amz-json-1.1"
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
ANSWER_SECONDS = 2.0  # API Gateway gives an authorizer 10 s for all that it does
TRIES = 2
PAUSE_SECONDS = 0.1  # between tries

_THROTTLES = ("ThrottlingException", "LimitExceededException")


class SecretUnreadable(Exception):
    """A secret that cannot be read. The text is fit for a reply; `detail` is the full one, for the log."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"Secrets Manager: {code}")
        self.code = code
        self.detail = f"{code}: {detail}"


class SecretsManager:
    def __init__(
        self,
        region: str,
        credentials: Credentials,
        endpoint: Endpoint,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = urlsplit(endpoint.url).path or "/"
        self._region = region
        self._credentials = credentials
        self._now = now
        self._sleep = sleep
        self._connections = Connections(endpoint, ANSWER_SECONDS, now)

    def text(self, secret_id: str, stage: str = CURRENT) -> str | None:
        """Return the text of a secret's version with this label; None if no version has it. Raises
        SecretUnreadable."""
        answer = self._send({"SecretId": secret_id, "VersionStage": stage})
        fields = _object(answer)
        if answer.status == 200:
            if not isinstance(text := fields.get("SecretString"), str):
                raise SecretUnreadable("the secret has no text")
            return text
        code = _code(answer, fields)
        # The same code says that there is no such secret; reading its current version shows that.
        if code == "ResourceNotFoundException" and stage != CURRENT:
            return None
        raise SecretUnreadable(code, str(fields.get("message") or fields.get("Message") or ""))

    def close(self) -> None:
        self._connections.close()

    def _send(self, fields: dict[str, str]) -> Answer:
        """Return an answer, which is not worth another try."""
        for number in range(TRIES):
            is_last = number + 1 == TRIES
            try:
                answer = self._send_once(json.dumps(fields).encode())
            except NoAnswer as error:
                if is_last:
                    raise SecretUnreadable("no answer", str(error)) from error
            else:
                if is_last or not _is_transient(answer):
                    return answer
            self._sleep(PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def _send_once(self, body: bytes) -> Answer:
        headers = {
            "content-type": CONTENT_TYPE,
            "host": self._connections.host,
            "x-amz-target": "secretsmanager.GetSecretValue",
        }
        sign(
            headers,
            body,
            service=SERVICE,
            region=self._region,
            credentials=self._credentials,
            now=self._now(),
            path=self._path,
        )
        return self._connections.send("POST", self._path, body, headers)


def _object(answer: Answer) -> dict[str, Any]:
    try:
        fields = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _code(answer: Answer, fields: dict[str, Any]) -> str:
    """Return the code of an error, which may have a namespace in front: `com.amazonaws.…#AccessDeniedException`."""
    code = str(fields.get("__type") or "").rpartition("#")[2]
    return code if code.isalnum() and code.isascii() and len(code) < 100 else f"HTTP {answer.status}"


def _is_transient(answer: Answer) -> bool:
    return answer.status >= 500 or _code(answer, _object(answer)) in _THROTTLES
