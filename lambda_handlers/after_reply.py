"""Work after the reply: what a request leaves to be done once its caller has the reply.

Nothing of it may change what the reply says: it may be lost at any moment, with its process. It is done in the order in
which it was left, and is finished before the next request of the process begins. Its errors go to the log.

Where nothing can be done after a reply, work is done at the end of the request, with no lock held any more: that is the
rule until `put_off` is called. In a function an extension does it (`extension`), elsewhere a thread.

While the extension works, Lambda sends the next request to another environment, perhaps a cold one. So in a row of
requests nothing is put off. The release of a security group takes a quarter of a second: it is put off only after a
request marked as the `last` one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from lambda_handlers.host import Call, Host
from lambda_handlers.log import Log, trace
from lambda_handlers.store.metered import MeteredStore

IN_A_ROW_SECONDS = 2.0  # between a reply and the next request: as long as a program or a page may take


class AfterReply:
    def __init__(self, host: Host, log: Log, store: MeteredStore) -> None:
        self._host = host
        self._log = log
        self._store = store
        self._is_put_off = self._has_thread = False
        self._is_last, self._is_in_a_row, self._replied_at = False, False, 0.0
        self._due: list[Callable[[], object]] = []
        self._call: Call | None = None
        self._working = threading.Lock()
        self._stats: dict[str, Any] = {}  # that no reply has reported

    def put_off(self, *, has_thread: bool) -> None:
        """Have work wait for replies from now on. `has_thread`: `begin` starts a thread for it; otherwise the caller
        calls `finish` after each reply."""
        self._is_put_off, self._has_thread = True, has_thread

    def not_put_off(self, reason: Exception) -> None:
        """Note that no extension can be registered: all is done before the reply."""
        self._log.warning("no_extension", error=str(reason))

    def put_off_no_more(self, reason: Exception) -> None:
        self._is_put_off = False
        self._log.error("extension_lost", error=str(reason))

    @property
    def is_due(self) -> bool:
        return bool(self._due)

    def later(self, work: Callable[[], object]) -> None:
        """Do this after the reply of the current request, or before it in a row of requests."""
        self._due.append(work)

    def settle(self) -> None:
        """Do what is due, unless it is put off; to be called at the end of a request, before its reply is made."""
        if not self._holds_nobody_up and (self._is_in_a_row or not self._is_put_off):
            self._work_off()

    def release_later(self, release: Callable[[], object]) -> None:
        """Do the same with the release of a lock: before all other work, and only after a last request."""
        if self._holds_nobody_up:
            self._due.insert(0, release)
        else:
            self._do(release)

    def begin_request(self, *, is_last: bool) -> None:
        """Note the beginning of a request. `is_last`: its client sends no other one soon."""
        self._is_last, self._is_in_a_row = is_last, self._host.now() - self._replied_at < IN_A_ROW_SECONDS

    def begin(self) -> None:
        """Begin with what is put off: the reply is about to be given."""
        self.settle()
        self._replied_at = self._host.now()
        if self._due and self._has_thread:
            self._call = self._host.start(self._do_all)

    def finish(self) -> None:
        """Wait until all is done; do what has not begun."""
        call, self._call = self._call, None
        if call is not None:
            call.result()
        self._do_all()

    def add_stats(self, **amounts: float | None) -> None:
        """Add what was done outside of requests to the statistics of the next reply."""
        for name, amount in amounts.items():
            if amount is not None:
                self._stats[name] = self._stats.get(name, 0) + amount

    def take_stats(self) -> dict[str, Any]:
        """Return the time and the use of the store outside of requests since the last call, by their names in the
        statistics of a reply."""
        stats, self._stats = self._stats, {}
        return stats

    @property
    def _holds_nobody_up(self) -> bool:
        """Work after this reply hinders no request: there is none soon, or one in the same process waits for it."""
        return self._is_put_off and (self._is_last or self._has_thread)

    def _do_all(self) -> None:
        if not self._due:
            return
        with self._working:
            started, before = self._host.now(), self._store.counters
            self._work_off()
            used = self._store.used_since(before)
            used_ms = round((self._host.now() - started) * 1000, 3)
        self._log.debug("after_reply", ms=used_ms, **used)
        self.add_stats(**{f"after_{name}": amount for name, amount in {"ms": used_ms, **used}.items()})

    def _work_off(self) -> None:
        while self._due:
            self._do(self._due.pop(0))

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a bug: the reply stands, and the rest of the work is not to suffer
            self._log.error("after_reply_failed", traceback=trace(error))
