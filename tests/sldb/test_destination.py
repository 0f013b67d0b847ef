"""The destination of a run: settings of several levels become one destination, or an error."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError, with_options
from sldb.config.settings import Level, Setting
from sldb.destination import Destination, resolve
from sldb.stack.names import check_stack_name, default_function

LINE, VARIABLE, PROFILE, FILE, DEFAULT = (
    *(Level.COMMAND_LINE, Level.ENVIRONMENT, Level.PROFILE, Level.FILE, Level.DEFAULT),
)


def destination(
    target: tuple[str, Level] = ("lambda", DEFAULT), stack: tuple[str, Level] = ("test-db", DEFAULT)
) -> Destination:
    return resolve(Setting(target[0], "--target", target[1]), Setting(stack[0], "--stack", stack[1]))


def test_the_default_is_the_default_stack() -> None:
    assert destination() == Destination(stack="test-db")
    assert destination(("lambda", LINE), ("test-db", LINE)) == Destination(stack="test-db")


@pytest.mark.parametrize("level", [LINE, VARIABLE, PROFILE, FILE])
def test_a_stack_that_is_named_on_any_level_is_the_aim(level: Level) -> None:
    assert destination(stack=("two", level)) == Destination(stack="two", is_evident=False)
    assert destination(("lambda", level), ("two", level)) == Destination(stack="two", is_evident=False)
    assert destination(("lambda", LINE), ("two", level)) == Destination(stack="two", is_evident=False)


@pytest.mark.parametrize("level", [LINE, VARIABLE, PROFILE, FILE])
def test_a_function_brings_its_stack_along(level: Level) -> None:
    assert destination(("lambda:mine", level)) == Destination(function="mine", is_evident=False)
    assert destination(("lambda:mine", level), ("two", level)) == Destination(
        function="mine", stack="two", is_evident=False
    )


def test_the_nearer_level_decides() -> None:
    assert destination(("lambda:mine", LINE), ("two", VARIABLE)) == Destination(function="mine", is_evident=False)
    assert destination(("lambda:mine", VARIABLE), ("two", LINE)).stack == "two"  # and the function must be of it
    assert destination(("local:db", LINE), ("two", VARIABLE)) == Destination(directory="db")
    assert destination(("local:db", PROFILE), ("two", FILE)) == Destination(directory="db", is_evident=False)
    assert destination(("lambda", LINE), ("two", FILE)).stack == "two"


@pytest.mark.parametrize(
    ("target", "stack"),
    [(LINE, LINE), (VARIABLE, LINE), (VARIABLE, VARIABLE), (FILE, PROFILE), (PROFILE, VARIABLE), (FILE, LINE)],
)
@pytest.mark.parametrize("text", ["local", "local:db"])
def test_a_directory_is_in_no_stack(text: str, target: Level, stack: Level) -> None:
    with pytest.raises(SldbError, match="contradict") as caught:
        destination((text, target), ("two", stack))
    assert caught.value.exit_code == 2
    with pytest.raises(SldbError, match="contradict"):
        destination((text, target), ("test-db", stack))  # named is named, whatever the name


@pytest.mark.parametrize("text", ["", "lambda:", "local:", "ftp:x", "Lambda", "lambda mine", "httpx:"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(SldbError, match="no such target") as caught:
        destination((text, LINE))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["", "Two", "two_", "-two", "two/../test-db", "arn:aws:cloudformation:x", "two --x"])
def test_what_is_no_name_of_a_stack_is_sent_nowhere(name: str) -> None:
    for given in (destination, lambda stack: destination(("lambda:mine", LINE), stack)):
        with pytest.raises(SldbError, match="--stack") as caught:
            given(stack=(name, LINE))
        assert caught.value.exit_code == 2
    with pytest.raises(SldbError):
        check_stack_name(name)


def test_what_a_command_needs_to_go_there() -> None:
    assert destination().options() == []
    assert destination(stack=("test-db", LINE)).options() == ["--stack", "test-db"]  # a variable may name another
    assert destination(stack=("two", VARIABLE)).options() == ["--stack", "two"]
    assert destination(("local:db", LINE)).options() == ["--local", "db"]
    assert destination(("local:db", PROFILE)).options() == ["--local", "db"]
    assert destination(("local", VARIABLE)).options() == ["--target", "local"]
    assert destination(("lambda:mine", LINE)).options() == ["--target", "lambda:mine"]
    assert default_function("two") == "two-function"


def test_commands_in_messages_have_all_the_options_that_lead_there() -> None:
    options = ["--stack", "two", "--region", "eu-west-1"]
    assert with_options("sldb deploy makes it", options) == "sldb deploy --stack two --region eu-west-1 makes it"
    assert with_options("sldb deploy --stack NAME", ["--target", "lambda:x"]) == "sldb deploy --stack NAME"
    assert with_options("`sldb deploy --stack two`", options) == "`sldb deploy --region eu-west-1 --stack two`"


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("sldb deploy makes it", "sldb deploy --stack two makes it"),
        ("sldb deploy makes it; or give --stack", "sldb deploy --stack two makes it; or give --stack"),
        ("deploy it with `sldb deploy`, or --stack", "deploy it with `sldb deploy --stack two`, or --stack"),
        (
            "sldb logs --function x; sldb unlock frees",
            "sldb logs --stack two --function x; sldb unlock --stack two frees",
        ),
        ("more memory: sldb deploy --memory MB", "more memory: sldb deploy --stack two --memory MB"),
        ("see `sldb status --stack two`, again", "see `sldb status --stack two`, again"),
        ("is it sldb's function? sldb says so", "is it sldb's function? sldb says so"),
        ("s3://sldb deploy/x.sldb deploy", "s3://sldb deploy/x.sldb deploy"),
        ("", ""),
    ],
)
def test_commands_in_messages_go_where_the_run_went(text: str, completed: str) -> None:
    assert with_options(text, ["--stack", "two"]) == completed
    assert with_options(completed, ["--stack", "two"]) == completed
    assert with_options(text, []) == text


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://db.example", "https://db.example"),
        ("https://db.example:8443/prod/", "https://db.example:8443/prod"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_url_is_a_target(text: str, url: str) -> None:
    found = destination((text, Level.ENVIRONMENT))
    assert (found.url, found.place, found.is_local, found.stack) == (url, url, False, None)
    assert found.options() == ["--target", url]


@pytest.mark.parametrize(
    "text",
    [
        "https:",
        "https://",
        "https:db.example",
        "https:///main",
        "https://db.example:port",
        "https://db.example?x=1",
        "https://db.example#x",
        "https://user:secret@db.example",
        "https://secret@db.example",
        "https://db.example/a b",
        "https://[::1",
        "http://db.example",
        "http://10.0.0.1",
        "http://127.0.0.1.db.example",
        "http://0.0.0.0",
    ],
)
def test_a_url_that_would_show_a_secret_or_reaches_nothing(text: str) -> None:
    with pytest.raises(SldbError) as caught:
        destination((text, Level.COMMAND_LINE))
    assert caught.value.code == "bad_request"
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_url_is_in_no_stack() -> None:
    with pytest.raises(SldbError, match="contradict"):
        destination(("https://db.example", Level.COMMAND_LINE), ("two", Level.COMMAND_LINE))
