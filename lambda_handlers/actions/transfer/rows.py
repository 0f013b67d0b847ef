"""rows: the rows of a statement, if they are too many for its reply, in parts: for stores without URLs, such as EFS.

Arguments   id: the end of the `rows_url` of a reply, `sldb://rows/<id>`; start (0): a byte of the file; length: of the
            part, at most and by default SLICE_BYTES
Reply       {"body": base64, "size": of the file}. The parts together are the file at the URL of other stores

The statement ran once, in one transaction, and so all parts are of one state. They belong to the database of the
request: the action must name the same one, and its caller have the right to read it. The scheduled function removes
them (`storage.upkeep.leftovers`); then they are `not_found`.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.storage.log.keys import rows_key
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import SLICE_BYTES, NotFound, StoreError
from lambda_handlers.wire import Action, SldbError, bad_request

MAX_BYTES = 1 << 40
_ID = re.compile(r"[0-9a-f]{16}")


def rows(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "id", "start", "length")
    rows_id = given.get("id")
    if not isinstance(rows_id, str) or not _ID.fullmatch(rows_id):
        bad_request("arguments.id", rows_id, "the end of the rows_url of a reply: 16 hexadecimal digits")
    start = arguments.whole_number(given, "start", 0, least=0, most=MAX_BYTES)
    length = arguments.whole_number(given, "length", SLICE_BYTES, least=1, most=SLICE_BYTES)
    key = rows_key(rows_id, action.database)
    try:
        body = context.store.get_range(key, start, length)
        return {"body": base64.b64encode(body).decode(), "size": context.store.size(key)}
    except NotFound as error:
        raise SldbError(
            "not_found",
            f"rows of a reply from {action.database} are not there, or not any more: they stay for about an hour",
            "run the statement again",
        ) from error
    except StoreError as error:
        raise store_error(error) from error
