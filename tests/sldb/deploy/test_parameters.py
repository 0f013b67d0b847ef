from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from lambda_handlers.wire import SldbError
from sldb.cli.commands.stack.deploy import deploy
from sldb.cli.global_options import GLOBAL_OPTIONS
from sldb.deploy.parameters import DEFAULTS, Choices, resolve
from sldb.stack.names import check_stack_name


def test_a_new_stack_gets_the_defaults() -> None:
    values = resolve("test-db", Choices(), {}, {})
    assert {name: values[name] for name in DEFAULTS} == DEFAULTS
    assert values["FunctionName"] == "test-db-function"
    assert values["DeadlockFixFunctionName"] == "test-db-function-deadlock-fix"


def test_what_is_not_given_stays_as_the_stack_has_it() -> None:
    previous = {**DEFAULTS, "MemorySize": "2048", "LockKind": "s3", "FunctionName": "mine", "Gone": "x"}
    values = resolve("test-db", Choices(timeout=30), {}, previous)
    assert (values["MemorySize"], values["LockKind"], values["FunctionName"]) == ("2048", "s3", "mine")
    assert values["Timeout"] == "30"
    assert values["DeadlockFixFunctionName"] == "mine-deadlock-fix"
    assert "Gone" not in values  # a parameter that this template no longer has


def test_given_beats_the_environment_which_beats_the_stack() -> None:
    environment = {"SLDB_RUNTIME": "python3.11", "SLDB_ARCHITECTURE": "x86_64"}
    previous = {"Runtime": "python3.12", "Architecture": "arm64"}
    assert resolve("test-db", Choices(), environment, previous)["Runtime"] == "python3.11"
    assert resolve("test-db", Choices(runtime="python3.14"), environment, previous)["Runtime"] == "python3.14"
    assert resolve("test-db", Choices(), {}, previous)["Runtime"] == "python3.12"


def test_the_cache_leaves_room_in_ephemeral_storage() -> None:
    values = resolve("test-db", Choices(ephemeral_storage=1000), {}, {})
    assert int(values["CacheBytes"]) == 1000 * 1024 * 1024 * 8 // 10


@pytest.mark.parametrize(
    ("choices", "names"),
    [
        ({"lock": "mutex"}, "--lock"),
        ({"runtime": "python2.7"}, "--runtime"),
        ({"architecture": "mips"}, "--architecture"),
        ({"memory": 64}, "--memory"),
        ({"timeout": 901}, "--timeout"),
        ({"timeout": -1}, "--timeout"),
        ({"ephemeral_storage": 100}, "--ephemeral-storage"),
        ({"retention_days": 0}, "--retention-days"),
        ({"function": "a b"}, "--function"),
        ({"function": "x" * 64}, "--function"),  # the other function's name would be too long
    ],
)
def test_a_choice_that_makes_no_sense_is_named(choices: dict[str, Any], names: str) -> None:
    with pytest.raises(SldbError, match=names) as caught:
        resolve("test-db", Choices(**choices), {}, {})
    assert caught.value.exit_code == 2


def test_an_environment_that_makes_no_sense_is_named() -> None:
    with pytest.raises(SldbError, match="SLDB_RUNTIME"):
        resolve("test-db", Choices(), {"SLDB_RUNTIME": "ruby"}, {})


@pytest.mark.parametrize(("timeout", "age"), [(60, 60), (120, None), (900, 899)])
def test_no_lock_is_freed_while_its_function_may_still_run(timeout: int, age: int | None) -> None:
    with pytest.raises(SldbError, match="lose their locks") as caught:
        resolve("test-db", Choices(timeout=timeout, lock_max_age=age), {}, {})
    assert f"--lock-max-age {timeout + 30}" in caught.value.hint


@pytest.mark.parametrize("name", ["test-db", "a", "db2"])
def test_stack_names(name: str) -> None:
    check_stack_name(name)


@pytest.mark.parametrize("name", ["", "Test", "1db", "a_b", "a--b", "a-", "-a", "a.b"])
def test_a_stack_name_that_no_bucket_can_have_is_refused(name: str) -> None:
    with pytest.raises(SldbError, match="--stack"):
        check_stack_name(name)


def test_every_option_of_the_command_is_a_choice_and_every_choice_an_option() -> None:
    no_choices = {"yes", "only_plan", "repair", "rollback"}
    options = {option.name for option in deploy.params if option not in GLOBAL_OPTIONS} - no_choices
    choices = Choices.of_options(dict.fromkeys(options, "given"))
    parts = [getattr(choices, each.name) for each in fields(choices)]
    not_given = {
        each.name
        for part in (choices, *filter(is_dataclass, parts))
        for each in fields(part)
        if not is_dataclass(getattr(part, each.name)) and getattr(part, each.name) != "given"
    }
    assert not_given == {"migration"}  # of migrate-storage
