"""A call of a service's control plane that moto answers, with the rules of AWS that it lacks. Called under moto's
lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.front import (
    cloudwatch_rules,
    ec2_rules,
    kms_rules,
    lambda_aliases,
    lambda_rules,
    s3_rules,
    secrets_rules,
)
from sldb.emulator.gateway.http_api import control

_RULES: Mapping[str, Callable[[Moto, Call], Call]] = {
    "s3": s3_rules.check,
    "ec2": ec2_rules.check,
    "lambda": lambda_rules.check,
    "apigatewayv2": control.check,
    "secretsmanager": secrets_rules.check,
    "kms": kms_rules.check,
}
_COMPLETIONS: Mapping[str, Callable[[Moto, Call, Answer], Answer]] = {
    "ec2": ec2_rules.complete,
    "lambda": lambda_rules.complete,
    "secretsmanager": secrets_rules.complete,
    "s3": kms_rules.complete,
}


def answer(moto: Moto, call: Call) -> Answer:
    """Return the answer. Raises AwsError."""
    if call.service == "monitoring":
        return cloudwatch_rules.answer(moto, call)
    if call.service == "logs" and (of_key := kms_rules.answer_log_group(moto, call)) is not None:
        return of_key
    if call.service == "lambda" and (of_alias := lambda_aliases.answer(moto, call)) is not None:
        return of_alias
    rule = _RULES.get(call.service)
    try:
        found = moto.apply(rule(moto, call) if rule else call)
    except NotImplementedError as error:  # of moto's
        raise NotEmulated(f"{call.service}:{call.action}") from error
    if found.status == HTTPStatus.NOT_FOUND and found.body.startswith(b"<!doctype html>"):  # moto has no such route
        raise NotEmulated(f"{call.service}:{call.action}")
    complete = _COMPLETIONS.get(call.service)
    return complete(moto, call, found) if complete else found
