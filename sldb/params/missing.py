"""The hints for a statement that got no values for its parameters, in the words of the place where it was typed.

The engine's error names them in its details: `parameters` (`:name`), or `parameter_count` and `value_count`.
"""

from __future__ import annotations

from lambda_handlers.wire import SldbError


def query_hint(error: SldbError) -> str | None:
    """Return the options of `sldb query` that are missing; None for any other error."""
    names = error.details.get("parameters", ())
    if names and all(_is_name(name) for name in names):
        return " ".join(f"-p {name[1:]}=…" for name in names)
    return "-p VALUE for each ?, in their order" if names or _lacks_values(error) else None


def shell_hint(error: SldbError) -> str | None:
    """Return the commands of the shell that are missing; None for any other error."""
    names = error.details.get("parameters", ())
    if names:
        return ", ".join(f".param set {name} …" for name in names)
    if not _lacks_values(error):
        return None
    return f".param set ?1 … for the first ?, up to ?{error.details['parameter_count']}"


def _lacks_values(error: SldbError) -> bool:
    needed = error.details.get("parameter_count")
    return needed is not None and needed > error.details.get("value_count", 0)


def _is_name(spelled: str) -> bool:
    return spelled.startswith(":")
