"""The command `sldb token rotate`: another signing key."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, streams
from sldb.cli.command import command
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.access.listing import Listed

MAX_NAMES = 10  # in a question


@command("rotate", short_help="Sign tokens with another key from now on.")
@click.option("--now", "at_once", is_flag=True, help="Revoke all tokens, too: the key is in wrong hands.")
@yes_option()
def rotate(run: Run, at_once: bool, yes: bool) -> int:
    """Sign tokens with another key from now on.

    Tokens of the key before stay valid until the next rotation, which asks if any would end by it. With --now all
    tokens end within a minute, and applications need new ones. API keys, principals and subjects are not affected.

    \b
      sldb token rotate
      sldb token rotate --now --yes
    """
    from sldb.access import operations
    from sldb.access.stack_access import open_access

    messages.check_format(run.format)
    run.refuse_local("token")
    access = open_access(run.aws, run.stack)
    document, keys, now_ms = access.document, access.signing_keys, int(time.time() * 1000)
    ending = operations.stopped_by_rotation(document.read(), keys, now_ms, at_once=at_once)
    if ending and not yes and not _confirm(ending, access.stack):
        messages.say(NOT_CHANGED)
        return 1
    if at_once:
        operations.rotate_at_once(document, keys, now_ms)
    else:
        operations.rotate(document, keys)
    reply = {"rotated": True, "ended": len(ending)}
    said = f"{_names(ending)} end within a minute" if ending else "all tokens stay valid until the next rotation"
    messages.show_reply(run.format, reply, f"another key signs from now on; {said}")
    return 0


def _confirm(ending: list[Listed], stack: str) -> bool:
    if not streams.can_ask():
        raise SldbError(
            "bad_request",
            f"rotating now ends {_names(ending)}, and there is no terminal to ask on",
            "add --yes to confirm it",
            applied="no",
        )
    messages.say_subject(f"stack {stack}")
    messages.say(f"This ends {_names(ending)}.")
    return click.confirm("Go on?", err=True, default=False)


def _names(ending: list[Listed]) -> str:
    from sldb.report import count

    names = ", ".join(one.name for one in ending[:MAX_NAMES]) + (", …" if len(ending) > MAX_NAMES else "")
    return f"{count(len(ending), 'token')} ({names})"
