"""What Lambda calls: the application for requests of the HTTP API, and the migration for {"migrate": true}."""

from __future__ import annotations

from typing import Any

from mangum import Mangum

from app import app
from migrate import migrate

_serve = Mangum(app, lifespan="off")


def handle(event: dict[str, Any], context: Any) -> Any:
    if event.get("migrate"):
        migrate()
        return {"migrated": True}
    return _serve(event, context)
