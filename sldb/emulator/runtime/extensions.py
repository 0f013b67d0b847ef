"""The extensions of one process, as Lambda's Extensions API has them: internal ones, threads of the runtime's process.

    POST /2020-01-01/extension/register     before the runtime first asks for an invocation
    GET  /2020-01-01/extension/event/next   blocks until there is an invocation

An extension hears of each invocation beside the runtime. Its container takes no new one, and is not frozen, until the
runtime and all extensions have asked for the next; the caller gets its answer as soon as the runtime has posted it.
Internal extensions get no SHUTDOWN event ("Lambda Extensions API", developer guide).
"""

from __future__ import annotations

import json
import queue
import threading
import uuid
from dataclasses import dataclass
from typing import Any

MAX_EXTENSIONS = 10
REGISTER = "/2020-01-01/extension/register"
NEXT = "/2020-01-01/extension/event/next"
NAME_HEADER, IDENTIFIER_HEADER = "Lambda-Extension-Name", "Lambda-Extension-Identifier"


@dataclass(frozen=True, slots=True)
class Invoked:
    """The extension's event of an invocation."""

    request_id: str
    deadline: float  # unix seconds
    function_arn: str

    def encode(self) -> bytes:
        tracing = {"type": "X-Amzn-Trace-Id", "value": ""}
        return json.dumps(
            {
                "eventType": "INVOKE",
                "deadlineMs": int(self.deadline * 1000),
                "requestId": self.request_id,
                "invokedFunctionArn": self.function_arn,
                "tracing": tracing,
            }
        ).encode()


class ExtensionError(Exception):
    """A refusal: status and body of the response."""

    def __init__(self, error_type: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status
        self.body = json.dumps({"errorType": error_type, "errorMessage": message}).encode()


class _Extension:
    def __init__(self) -> None:
        self.is_asking = False
        self.events: queue.Queue[Invoked | None] = queue.Queue()  # None: closed


class Extensions:
    """The registered ones, and who of them asks for the next event. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._registered: dict[str, _Extension] = {}  # by identifier
        self._is_open = True  # for registrations

    def __len__(self) -> int:
        return len(self._registered)

    def register(self, name: str | None, body: bytes) -> str:
        """Return the identifier of a new extension. Raises ExtensionError."""
        events = _events(body)
        if not name:
            raise ExtensionError("Extension.InvalidExtensionName", f"{NAME_HEADER} is missing")
        if "SHUTDOWN" in events:
            raise ExtensionError("Extension.InvalidEventType", "SHUTDOWN is not for internal extensions")
        with self._lock:
            if not self._is_open:
                raise ExtensionError("Extension.RegistrationClosed", "the init phase is over")
            if len(self._registered) >= MAX_EXTENSIONS:
                raise ExtensionError("Extension.TooManyExtensions", f"at most {MAX_EXTENSIONS}")
            identifier = str(uuid.uuid4())
            self._registered[identifier] = _Extension()
        return identifier

    def close_registration(self) -> None:
        with self._lock:
            self._is_open = False

    def ask(self, identifier: str | None) -> None:
        """Note that an extension asks for its next event. Raises ExtensionError."""
        with self._lock:
            extension = self._find(identifier)
            if extension.is_asking:
                raise ExtensionError("Extension.InvalidExtensionState", "it asks for an event already")
            extension.is_asking = True

    def wait(self, identifier: str | None) -> Invoked | None:
        """Return the event that the extension has asked for; None once the process is closed."""
        return self._find(identifier).events.get()

    @property
    def are_asking(self) -> bool:
        """True if each of them asks for an event."""
        with self._lock:
            return all(extension.is_asking for extension in self._registered.values())

    def announce(self, invoked: Invoked) -> None:
        """Give an invocation to each of them."""
        with self._lock:
            for extension in self._registered.values():
                extension.is_asking = False
                extension.events.put(invoked)

    def close(self) -> None:
        with self._lock:
            for extension in self._registered.values():
                extension.events.put(None)

    def _find(self, identifier: str | None) -> _Extension:
        extension = self._registered.get(identifier or "")
        if extension is None:
            raise ExtensionError("Extension.UnknownExtensionIdentifier", f"{IDENTIFIER_HEADER} is unknown")
        return extension


def _events(body: bytes) -> list[Any]:
    try:
        return list(json.loads(body)["events"])
    except (ValueError, KeyError, TypeError):
        raise ExtensionError("Extension.InvalidRequestFormat", "events are missing", 400) from None
