"""`.param`: values for the parameters of statements."""

from __future__ import annotations

from lambda_handlers.wire import SldbError
from sldb.params.arguments import parse_value
from sldb.render import result_of
from sldb.shell.parameters import parse_name, spelled
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def param(session: Session, command: DotCommand) -> None:
    values = session.params.values
    match command.arguments:
        case () | ("list",):
            rows = [(spelled(key), value) for key, value in values.items()]
            session.output.show_table(result_of(("name", "value"), rows))
        case ("set", word, text):
            key, kind = _name(word)
            values[key] = parse_value(text if kind is None else f":{kind}={text}", spelled(key))
        case ("unset", word):
            key, _ = _name(word)
            if values.pop(key, key) is key:
                raise SldbError("not_found", f"{spelled(key)} is not set", ".param lists those that are")
        case ("clear",):
            values.clear()
        case ("init",):  # sqlite3 makes a table for them
            pass
        case _:
            hint = ".param set :name VALUE, .param unset :name, .param clear, .param list"
            raise SldbError("bad_request", f".param: got {' '.join(command.arguments)}", hint)


def _name(word: str) -> tuple[str, str | None]:
    found = parse_name(word)
    if found is None:
        raise SldbError("bad_request", f".param: got {word}, want the name of a parameter, such as :name or ?1")
    return found
