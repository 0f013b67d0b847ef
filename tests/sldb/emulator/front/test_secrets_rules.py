"""Secrets Manager where moto differs: labels that move, versions without a label, secrets marked for deletion."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_numbers = count(1)


@pytest.fixture
def secrets(account: Any) -> Any:
    return account.client("secretsmanager")


def create(secrets: Any, value: str | None = "v1", **more: Any) -> str:
    given = {} if value is None else {"SecretString": value}
    return str(secrets.create_secret(Name=f"secret-{next(_numbers)}", **given, **more)["ARN"])


def code(caught: Any) -> tuple[str, int]:
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def labels(secrets: Any, secret: str, **more: Any) -> dict[str, list[str]]:
    found = secrets.list_secret_version_ids(SecretId=secret, **more)
    assert found["ARN"] == secrets.describe_secret(SecretId=secret)["ARN"]
    return {each["VersionId"]: sorted(each["VersionStages"]) for each in found["Versions"]}


def value(secrets: Any, secret: str, **which: str) -> str:
    return str(secrets.get_secret_value(SecretId=secret, **which)["SecretString"])


def test_a_new_value_is_current_and_the_old_one_previous(secrets: Any) -> None:
    secret = create(secrets)
    second = secrets.put_secret_value(SecretId=secret, SecretString="v2")
    assert second["VersionStages"] == ["AWSCURRENT"]
    assert value(secrets, secret) == "v2"
    assert value(secrets, secret, VersionStage="AWSPREVIOUS") == "v1"
    assert value(secrets, secret, VersionId=second["VersionId"]) == "v2"
    secrets.put_secret_value(SecretId=secret, SecretString="v3")
    assert sorted(labels(secrets, secret).values()) == [["AWSCURRENT"], ["AWSPREVIOUS"]]
    assert sorted(labels(secrets, secret, IncludeDeprecated=True).values()) == [[], ["AWSCURRENT"], ["AWSPREVIOUS"]]


def test_a_pending_value_becomes_current_when_its_label_is_moved(secrets: Any) -> None:
    secret = create(secrets)
    first = secrets.describe_secret(SecretId=secret)["VersionIdsToStages"]
    pending = secrets.put_secret_value(SecretId=secret, SecretString="v2", VersionStages=["AWSPENDING"])["VersionId"]
    assert value(secrets, secret) == "v1"
    secrets.update_secret_version_stage(
        SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=pending, RemoveFromVersionId=next(iter(first))
    )
    assert value(secrets, secret) == "v2"
    assert value(secrets, secret, VersionStage="AWSPREVIOUS") == "v1"
    secrets.put_secret_value(SecretId=secret, SecretString="v3")  # after the move, moto knew the wrong current one
    assert value(secrets, secret) == "v3"
    assert value(secrets, secret, VersionStage="AWSPREVIOUS") == "v2"


MOVES = st.lists(st.sampled_from(["put", "pending", "promote", "back"]), max_size=8)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOVES)
def test_exactly_one_version_is_current_whatever_is_moved(secrets: Any, moves: list[str]) -> None:
    secret = create(secrets, "0")
    current, previous, pending = "0", "", ""
    for number, move in enumerate(moves, 1):
        by_label = {label: name for name, found in labels(secrets, secret).items() for label in found}
        if move == "put":
            secrets.put_secret_value(SecretId=secret, SecretString=str(number))
            current, previous = str(number), current
        elif move == "pending":
            secrets.put_secret_value(SecretId=secret, SecretString=str(number), VersionStages=["AWSPENDING"])
            pending = str(number)
        else:
            label, goal = ("AWSPENDING", pending) if move == "promote" else ("AWSPREVIOUS", previous)
            if goal in ("", current):
                continue
            secrets.update_secret_version_stage(
                SecretId=secret,
                VersionStage="AWSCURRENT",
                MoveToVersionId=by_label[label],
                RemoveFromVersionId=by_label["AWSCURRENT"],
            )
            current, previous = goal, current
        assert value(secrets, secret) == current
        if previous:
            assert value(secrets, secret, VersionStage="AWSPREVIOUS") == previous
        held = [label for found in labels(secrets, secret).values() for label in found]
        assert len(held) == len(set(held))


def test_the_same_token_puts_once(secrets: Any) -> None:
    secret, token = create(secrets), "t" * 32
    for _ in range(2):
        made = secrets.put_secret_value(SecretId=secret, SecretString="v2", ClientRequestToken=token)
        assert made["VersionId"] == token
    with pytest.raises(ClientError) as caught:
        secrets.put_secret_value(SecretId=secret, SecretString="v3", ClientRequestToken=token)
    assert code(caught) == ("ResourceExistsException", 400)


def test_what_is_not_there_is_an_error_of_the_caller(secrets: Any) -> None:
    empty = create(secrets, None)
    secret = create(secrets)
    for call in (
        lambda: secrets.get_secret_value(SecretId="no-such"),
        lambda: secrets.put_secret_value(SecretId="no-such", SecretString="x"),
        lambda: secrets.describe_secret(SecretId=secret[:-1] + "?"),
        lambda: secrets.list_secret_version_ids(SecretId="no-such"),
        lambda: secrets.get_secret_value(SecretId=empty),
        lambda: secrets.get_secret_value(SecretId=secret, VersionStage="AWSPREVIOUS"),
        lambda: secrets.get_secret_value(SecretId=secret, VersionId="v" * 32),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code(caught) == ("ResourceNotFoundException", 400)


def test_a_secret_marked_for_deletion_gives_no_value(secrets: Any) -> None:
    secret = create(secrets)
    secrets.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    assert secrets.describe_secret(SecretId=secret)["DeletedDate"]
    for call in (
        lambda: secrets.get_secret_value(SecretId=secret),
        lambda: secrets.put_secret_value(SecretId=secret, SecretString="x"),
        lambda: secrets.create_secret(Name=f"secret-{next(_numbers) - 1}", SecretString="x"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code(caught) == ("InvalidRequestException", 400)
    secrets.restore_secret(SecretId=secret)
    assert value(secrets, secret) == "v1"


def test_a_description_can_be_taken_away(secrets: Any) -> None:
    secret = create(secrets, Description="a key")
    secrets.update_secret(SecretId=secret, Description="")
    assert secrets.describe_secret(SecretId=secret).get("Description", "") == ""
    assert value(secrets, secret) == "v1"


def test_limits_and_what_is_not_emulated(secrets: Any) -> None:
    create(secrets, "x" * 65_536)
    with pytest.raises(ClientError, match="65536"):
        create(secrets, "x" * 65_537)
    with pytest.raises(ClientError, match="does not supply secretsmanager:RotateSecret"):
        secrets.rotate_secret(SecretId=create(secrets))
