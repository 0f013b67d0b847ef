"""The parameters that the text of a statement names, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lambda_handlers.shared.patterns import pattern
from lambda_handlers.wire import SldbError
from sldb.did_you_mean import suggestion
from sldb.sql_text import strip_quoted

# ASCII's letters, digits, _ and $, and all beyond ASCII. As the rest of ASCII, excluded, it is compiled much faster.
_IN_NAMES = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
_PARAMETER = pattern(
    rf"(?<!{_IN_NAMES})\?(?P<number>\d*)|(?<!{_IN_NAMES})[:@$#](?P<name>(?:{_IN_NAMES}|::)+(?:\([^)\s]*\))?)"
)

UNUSED = ""
MAX_NUMBER = 32_766  # SQLite's own
MAX_EXACT_CHARACTERS = 100_000  # to take apart in a tenth of a second


def slots_of(statement: str) -> list[str | None]:
    """Return the parameters of a statement as SQLite numbers them: a name or number for each, None for a bare `?`, and
    "" for a number in between that is not used."""
    slots: list[str | None] = []
    for match in _PARAMETER.finditer(strip_quoted(statement)):
        name, number = match["name"], match["number"]
        if number and int(number[:6]) > MAX_NUMBER:
            continue  # SQLite refuses it
        if number:
            slots += [UNUSED] * (int(number) - len(slots))
            slots[int(number) - 1] = slots[int(number) - 1] or number
        elif name is None:
            slots.append(None)
        elif name not in slots:
            slots.append(name)
    return slots


def refuse_unused(texts: Sequence[str], named: Mapping[str, object]) -> None:
    """Raise `bad_request` for a named value that no parameter in the texts takes. SQLite ignores it; mostly its name is
    mistyped. In long texts, a name in quotes or a comment counts as a parameter."""
    if sum(map(len, texts)) > MAX_EXACT_CHARACTERS and all(_occurs(name, texts) for name in named):
        return
    taken = [name for name in dict.fromkeys(slot for text in texts for slot in slots_of(text)) if name]
    unused = [name for name in named if name not in taken]
    if unused:
        listed = f"the SQL has {', '.join(f':{name}' for name in taken)}" if taken else "the SQL names no parameter"
        meant = suggestion(f":{unused[0]}", (f":{name}" for name in taken))
        names = ", ".join(f":{name}" for name in unused)
        raise SldbError("bad_request", f"no statement has the parameter {names}", meant or listed)


def _occurs(name: str, texts: Iterable[str]) -> bool:
    return any(f"{sign}{name}" in text for text in texts for sign in ":@$#")
