"""A writer: adds one, so many times, in a process of its own. Prints the number of acknowledged additions.

python -m tests.interop.counting DATABASE TIMES, with the settings of the functions in the environment.
"""

from __future__ import annotations

import os
import sys

from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.wire import Request, SldbError, Statement

TRY_AGAIN = ("conflict", "lock_timeout")


def main(database: str, times: int) -> None:
    service = Service(Settings.from_environment(os.environ))
    acknowledged = 0
    for number in range(times):
        request = Request(
            (Statement("UPDATE counter SET n = n + 1"),), database, request_id=f"{os.getpid()}-{number}", timeout=60
        )
        while True:
            try:
                service.reply(request)
            except SldbError as error:
                if error.code not in TRY_AGAIN:
                    raise
            else:
                acknowledged += 1
                break
    service.close()
    print(acknowledged)


main(sys.argv[1], int(sys.argv[2]))
