"""The target `local:DIR`: the server's own code in this process, over a directory.

No AWS and no network; durable, and safe for several processes at once: the same commit protocol decides between
them, and the lock is the operating system's. The engine is loaded with the first request, so that the shell's prompt
need not wait for it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import Action, Reply, Request, SldbError, decode_line
from sldb.cancelling import TooLate
from sldb.targets.interrupts import Interrupts
from sldb.targets.protocol import ReadRows, lines_of
from sldb.write_outcome import may_write

if TYPE_CHECKING:
    from lambda_handlers.database.delivery import Delivery
    from lambda_handlers.http.routes.answers import HttpService
    from lambda_handlers.service import Service
    from lambda_handlers.shared.lock_holder import Holder
    from lambda_handlers.store.protocol import ObjectStore

CACHE_BYTES = 1 << 40  # the disk is the user's
MEMORY_BYTES = 1 << 30
HELD_BYTES = 8 << 20  # of the rows of a result that is streamed; a file takes those beyond


class LocalTarget:
    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser().absolute()
        self.name = f"local:{directory}"
        self._interrupts = Interrupts()
        self._opening = threading.Lock()
        self._opened: Service | None = None

    @property
    def _service(self) -> Service:
        with self._opening:
            self._opened = self._opened or self._open()
            return self._opened

    def _open(self) -> Service:
        import tempfile

        from lambda_handlers.host import Host
        from lambda_handlers.service import Service
        from lambda_handlers.settings import Settings, insights_of

        service = Service(
            Settings(
                store=self.directory.as_uri(),
                lock="s3",  # over a directory: file locks
                cache_bytes=CACHE_BYTES,
                memory_bytes=MEMORY_BYTES,
                log_level="error",
                insights=insights_of(os.environ),
                temp_dir=tempfile.gettempdir(),
            ),
            Host(now=self._interrupts.now, sleep=self._interrupts.sleep),
        )
        service.after_reply.put_off(has_thread=True)
        return service

    def stream(self, request: Request) -> tuple[Reply, ReadRows]:
        """Return the reply, as `send` does, and the function that reads the rows that went to a local file, of a result
        that has not written."""
        from lambda_handlers.database.delivery import Delivery
        from lambda_handlers.http.spool import Spool

        spool = Spool(HELD_BYTES)
        reply = self._send(request, Delivery(is_whole=True, spool=spool))
        return reply, lambda stored: map(decode_line, lines_of(spool.rows(stored)))

    def send(self, request: Request) -> Reply:
        """Return the reply. After Ctrl-C raise SldbError `cancelled`, or TooLate if the request was over, as for a
        function; KeyboardInterrupt if its outcome cannot be found."""
        return self._send(request)

    def _send(self, request: Request, delivery: Delivery | None = None) -> Reply:
        reply: Reply | None = None
        try:
            with self._interrupts.noted():
                service = self._service
                reply = service.reply(request, delivery=delivery) if delivery else service.reply(request)
        except KeyboardInterrupt:
            if reply is None:
                reply = self._applied(request)
            if reply is None:
                raise SldbError("cancelled", "the request was cancelled", applied="no") from None
            raise TooLate(reply) from None
        return reply

    def _applied(self, request: Request) -> Reply | None:
        """Return the reply to an interrupted request if it was applied. Raises KeyboardInterrupt if that is unknown."""
        if not may_write(request):
            return None
        if request.request_id is None:
            raise KeyboardInterrupt
        try:
            return self.result(request.database, str(request.request_id))[1]
        except SldbError as error:
            if error.code != "not_found":  # the database does not exist yet
                raise KeyboardInterrupt from error
        return None

    def act(self, action: Action) -> dict[str, Any]:
        with self._interrupts.noted():
            return self._service.act(action)

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        found = self.act(Action("result", database, {"request_id": request_id}))
        return found, None if found["reply"] is None else Reply.decode(found["reply"])

    def lock_holder(self, database: str) -> Holder | None:
        """Return the process that has the lock of the database, as far as is known, unless it is this one."""
        from lambda_handlers.locks.file import named_holder

        holder = named_holder(self.directory, database)
        return None if holder is None or holder.owner == f"process {os.getpid()}" else holder

    def open_store(self) -> ObjectStore:
        from lambda_handlers.store.directory import DirectoryStore

        return DirectoryStore(self.directory)

    def http(self) -> HttpService:
        """Return the service as `sldb serve` has it answer HTTP requests."""
        return self._service.http

    def close(self) -> None:
        with self._opening:
            if self._opened is not None:
                self._opened.close()


def kept_insights(directory: Path) -> list[str]:
    """Return the lines kept of the statements over a directory, the oldest first. Raises OSError."""
    from lambda_handlers.insights.kept import read_lines

    return read_lines(directory)
