"""Where errors become messages on standard error and exit statuses; see `sldb.cli.main` for the table."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import click

from lambda_handlers.wire import SldbError

INTERRUPTED, BUG = 130, 70


def guard(action: Callable[[], object]) -> int:
    """Run `action`; whatever leaves it becomes one message and an exit status."""
    try:
        status = action()
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SldbError as error:
        show(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Keep the interpreter from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        traceback.print_exc()
        print("error: this is a bug in sldb; the traceback above says where", file=sys.stderr)
        return BUG
    return status if isinstance(status, int) else 0


def show(error: SldbError) -> None:
    """One line with code and message, one with what to do next."""
    print(f"error: {error.message} [{error.code}]", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
