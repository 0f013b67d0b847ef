"""A SQLite file uploaded to a store, ready to be committed by the action `push_commit`."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

from lambda_handlers.storage.log.keys import upload_key
from lambda_handlers.store.protocol import ObjectStore
from sldb.push_pull.encoding import Encoding
from sldb.push_pull.source import open_source


def upload(store: ObjectStore, file: Path, database: str = "main") -> dict[str, Any]:
    """Upload the file; return the arguments of `push_commit`."""
    with open_source(file) as source:
        encoding = Encoding(source)
        names = []
        for part in encoding.parts():
            store.put(upload_key(database, encoding.upload_id, part.name), part.body)
            names.append(part.name)
        return {
            "upload": encoding.upload_id,
            "parts": names,
            "page_map": base64.b64encode(encoding.page_map.encode()).decode(),
            "first_page": base64.b64encode(source.first_page).decode(),
            "push": secrets.token_hex(7),
            "since": 0,
        }
