"""The internal extension of a function: a thread of the runtime's process that lets work be done after the reply.

Lambda gives each invocation to the runtime and to the extension. The caller gets its reply as soon as the runtime has
posted it; the environment is not frozen, and takes no other event, until both have asked for the next one (Lambda's
developer guide, "Extensions API"). So the extension asks at once if no work is due, before the reply is even posted,
and otherwise after the work. The time is billed, and counts against the time-out of the function.

The runtime does not report that it has posted a reply. But it keeps the value that the handler returned until then:
its end is the sign. A wrapper of the handler may keep that for longer, so that there is a limit to the wait.

The socket module would cost 3 ms of each cold start; the requests are few and of one form.
"""

from __future__ import annotations

import threading
import weakref
from _socket import AF_INET, SOCK_STREAM, socket
from typing import Any

from lambda_handlers.after_reply import AfterReply

NAME = "after-reply"
API = "/2020-01-01/extension/"
MAX_POSTING_SECONDS = 1.0  # from the end of the handler; a reply of 6 MB takes a tenth of it
_OK = "200"
_CHUNK_BYTES = 4096


class ExtensionRefused(Exception):
    """Lambda does not register the extension, or does not know it."""


class _Posted(dict[str, Any]):
    """A reply whose end can be observed."""


class _Ended:
    """An invocation whose handler has ended."""

    def __init__(self, *, has_work: bool, asked: socket | None) -> None:
        self.has_work = has_work
        self.is_posted = threading.Event()
        self.asked = asked  # the request for the next event, if that was sent already
        self.watched: weakref.ref[_Posted] | None = None


class Extension:
    def __init__(self, runtime_api: str, after: AfterReply) -> None:
        """Register the extension; to be called during the init phase. `runtime_api`: host and port. Raises
        ExtensionRefused or OSError."""
        self._runtime_api = runtime_api
        self._after = after
        registration = self._send("POST", "register", f"Lambda-Extension-Name: {NAME}", b'{"events":["INVOKE"]}')
        self._identifier = _read(registration).get("lambda-extension-identifier", "")
        if not self._identifier:
            raise ExtensionRefused("the answer has no identifier")
        self._invoked = self._replied = 0  # numbers of invocations: known to the thread, ended by the handler
        self._ended: list[_Ended] = []
        self._has_ended = threading.Semaphore(0)  # once for each
        after.put_off(has_thread=False)
        threading.Thread(target=self._run, daemon=True).start()

    def replying(self, reply: dict[str, Any]) -> dict[str, Any]:
        """Return the reply for the runtime to post; the work that is due begins once that is done. To be called at the
        end of each invocation, unless `failed` is."""
        if not self._after.is_due:
            self._end(_Ended(has_work=False, asked=self._ask_early()))
            return reply
        ended, posted = _Ended(has_work=True, asked=None), _Posted(reply)
        ended.watched = weakref.ref(posted, lambda _: ended.is_posted.set())
        self._end(ended)
        return posted

    def failed(self) -> None:
        """Note that the handler raises an exception."""
        ended = _Ended(has_work=self._after.is_due, asked=None)
        ended.is_posted.set()
        self._end(ended)

    def _end(self, ended: _Ended) -> None:
        self._replied += 1
        self._ended.append(ended)
        self._has_ended.release()

    def _ask_early(self) -> socket | None:
        """Ask for the next event, unless the thread has yet to read that of this invocation. The runtime asks after
        this, so that the environment is free as soon as without an extension."""
        return self._ask() if self._invoked > self._replied else None

    def _run(self) -> None:
        try:
            self._serve()
        except (ExtensionRefused, OSError) as error:  # Lambda ends the environment: it hears no more of the extension
            self._after.put_off_no_more(error)

    def _serve(self) -> None:
        asked = self._ask()
        while True:
            _read(asked)
            self._invoked += 1
            self._has_ended.acquire()
            ended = self._ended.pop(0)
            if ended.has_work:
                ended.is_posted.wait(MAX_POSTING_SECONDS)
                self._after.finish()
            asked = ended.asked or self._ask()

    def _ask(self) -> socket:
        return self._send("GET", "event/next", f"Lambda-Extension-Identifier: {self._identifier}")

    def _send(self, method: str, path: str, header: str, body: bytes = b"") -> socket:
        """Send a request; the response ends with its connection, as in HTTP 1.0."""
        host, _, port = self._runtime_api.partition(":")
        lines = f"{method} {API}{path} HTTP/1.0", f"Host: {self._runtime_api}", header, f"Content-Length: {len(body)}"
        connection = socket(AF_INET, SOCK_STREAM)
        try:
            connection.connect((host, int(port or "80")))
            connection.sendall("\r\n".join((*lines, "", "")).encode() + body)
        except OSError:
            connection.close()
            raise
        return connection


def _read(connection: socket) -> dict[str, str]:
    """Return the headers of a response, with names in lower case. Raises ExtensionRefused or OSError."""
    response = b""
    try:
        while chunk := connection.recv(_CHUNK_BYTES):
            response += chunk
    finally:
        connection.close()
    status, *lines = response.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if status.split(" ")[1:2] != [_OK]:
        raise ExtensionRefused(status)
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
