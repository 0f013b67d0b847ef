"""What the client says of a request to the function that never left, and of one that may have arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.aws.options import AwsOptions
from sldb.targets.aws_lambda import LambdaTarget
from tests.fakes.network.no_answer import SILENCE, UNSENT, listening

WRITE = Request((Statement("INSERT INTO t VALUES (1)"),), request_id="once")


@pytest.fixture
def listen() -> Iterator[Callable[..., int]]:
    with listening() as listen:
        yield listen


@pytest.mark.parametrize("reason", [*UNSENT, *SILENCE])
def test_only_what_may_have_arrived_is_unknown(
    reason: str, listen: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**UNSENT, **SILENCE}[reason](listen)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    for name, value in {**keys, **environment}.items():
        monkeypatch.setenv(name, value)
    target = LambdaTarget("f", AwsOptions(region="us-east-1"), sleep=lambda _: None, read_seconds=5.0)
    with pytest.raises(SldbError) as caught:
        target.send(WRITE)
    target.close()
    assert caught.value.code == ("internal" if reason == "half an answer" else "store_error")  # an empty 200
    assert caught.value.details["applied"] == ("unknown" if reason in SILENCE else "no")
    assert ("--request-id once" in caught.value.hint) == (reason in SILENCE)
