"""test-db-function: SQL in, rows out. See `wire` for the event and the reply, `service` for the work between.

Works as a Lambda handler and when called from Python with context None. The settings come from the environment at each
call; the state that a container keeps belongs to the settings that it was made for.
"""

from __future__ import annotations

import gc

gc.disable()  # while the rest is imported: collections find nothing then, and take a tenth of a cold start's time

import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    from lambda_handlers.aws.ec2_connections import connect_ahead

    connect_ahead(os.environ)  # while the rest is imported

from contextlib import suppress
from functools import lru_cache
from typing import Any

from lambda_handlers.events import Context, is_asynchronous
from lambda_handlers.extension import Extension, ExtensionRefused
from lambda_handlers.host import process_age_ms
from lambda_handlers.service import Service
from lambda_handlers.settings import BadSetting, Settings, stack_of
from lambda_handlers.wire import SldbError


@lru_cache(maxsize=4)
def _service(settings: Settings) -> Service:
    return Service(settings)


def handler(event: object, context: Context | None = None) -> dict[str, Any]:
    if _extension is None:
        return _handle(event, context)
    try:
        reply = _handle(event, context)
    except BaseException:
        _extension.failed()
        raise
    return _extension.replying(reply)


def _handle(event: object, context: Context | None) -> dict[str, Any]:
    try:
        service = _service(Settings.from_environment(os.environ))
    except BadSetting as error:
        failure = SldbError("internal", f"the function is configured wrongly: {error}", "deploy it again: sldb deploy")
        if is_asynchronous(event):
            raise failure from error
        return {"statusCode": failure.status, "body": failure.for_stack(stack_of(os.environ)).encode()}
    if is_asynchronous(event):
        from lambda_handlers.queue import asynchronous  # imports slow down cold starts

        return asynchronous.handle(service, event, context)
    return service.handle(event, context)


_extension: Extension | None = None  # None: work is done before the reply

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Lambda's init phase has a whole CPU regardless of the function's memory: open store and lock there.
    with suppress(BadSetting):  # the first request reports it
        _settings = Settings.from_environment(os.environ)
        if _settings.runtime_api and not _settings.read_only:  # readers leave nothing to do
            _after_reply = _service(_settings).after_reply
            try:
                _extension = Extension(_settings.runtime_api, _after_reply)
            except (ExtensionRefused, OSError) as error:
                _after_reply.not_put_off(error)
        _service(_settings).initialized(process_age_ms())

gc.freeze()  # what is here now stays: no collection needs to look at it again
gc.enable()
