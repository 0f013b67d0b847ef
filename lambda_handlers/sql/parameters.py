"""The error of a statement whose parameters and values do not fit: it names what is missing. Pure.

Its details, for programs: `parameters`, the names without a value, as `:name` (`?2` for a number); or
`parameter_count` and `value_count`, if the values have no names.
"""

from __future__ import annotations

from collections.abc import Sequence

from lambda_handlers.wire import Params, SldbError


def mismatch(names: Sequence[str | None], params: Params) -> SldbError | None:
    """Return the error, or None if they fit. `names`: of the statement's parameters in order, None for a `?`."""
    if isinstance(params, tuple):
        return None if len(params) == len(names) else _counts(names, params)
    if params is not None and None in names:
        position = names.index(None) + 1
        return SldbError(
            "bad_request",
            f"the statement needs values by position, for its parameter {position} (?), and got names",
            "give a list, or name the parameters in the statement (:name)",
            parameter_count=len(names),
        )
    if None in names:
        return _counts(names, ())
    missing = [_spelled(name) for name in names if name is not None and name not in (params or {})]
    return _missing(missing, [f":{name}" for name in params or {} if name not in names]) if missing else None


def _missing(missing: Sequence[str], others: Sequence[str]) -> SldbError:
    got = f", and got {_listed(others)}" if others else ""
    example = ", ".join(f'"{name[1:]}": …' for name in missing)
    hint = f"params: {{{example}}}"
    return SldbError("bad_request", f"the statement needs {_listed(missing)}{got}", hint, parameters=list(missing))


def _counts(names: Sequence[str | None], params: Sequence[object]) -> SldbError:
    needed = f"{len(names) or 'no'} parameter{'' if len(names) == 1 else 's'}"
    named = [_spelled(name) for name in names if name is not None]
    which = f" ({', '.join(named)})" if named and len(named) == len(names) else ""
    message = f"the statement needs {needed}{which}, and got {len(params)}"
    hint = "params: a list with a value for each ?" if len(names) > len(params) else ""
    return SldbError("bad_request", message, hint, parameter_count=len(names), value_count=len(params))


def _spelled(name: str) -> str:
    return f"?{name}" if name.isdecimal() else f":{name}"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
