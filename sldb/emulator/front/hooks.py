"""Hooks, for the faults of tests: a hook receives every call and decides its fate.

    def slow_create(call, proceed):
        if call.action == "CreateSecurityGroup":
            time.sleep(1)
        return proceed(call)

It may wait, answer by itself, change the call, replace the answer, or let the call be applied and lose the answer
(`raise ReplyLost`). Hooks run outside of every lock; the first in the list is the outermost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from sldb.emulator.access.principals import Principal
from sldb.emulator.calls.call import Answer, Call

_logger = logging.getLogger(__name__)
Proceed: TypeAlias = Callable[[Call], Answer]


class Hook(Protocol):
    def __call__(self, call: Call, proceed: Proceed, /) -> Answer: ...


class ReplyLost(ConnectionError):
    """Raised by a hook: the connection is closed without an answer."""


def check_reach(call: Call, principal: Principal) -> None:
    """Raise ReplyLost for a function in a network without a way to AWS."""
    if principal.is_isolated:
        _logger.warning("%s reached for %s from its network", principal.session, call.service)
        raise ReplyLost


def chain(hooks: Sequence[Hook], last: Proceed) -> Proceed:
    answer = last
    for hook in reversed(hooks):
        answer = _bind(hook, answer)
    return answer


def _bind(hook: Hook, proceed: Proceed) -> Proceed:
    return lambda call: hook(call, proceed)
