"""The formats of files by the endings of their names: one table for import, parameters and outputs.

A second ending says that the file is compressed (`users.csv.gz`), and is left out here. An explicit format outweighs
the ending, whatever it is. A name without an ending has the default format of the command.
"""

from __future__ import annotations

from collections.abc import Collection

from lambda_handlers.wire import SldbError
from sldb.did_you_mean import suggestion, with_suggestion

# The first ending of a format is the usual one.
ENDINGS = {
    "csv": "csv",
    "tsv": "tsv",
    "tab": "tsv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "sql": "insert",
    "dump": "insert",
    "parquet": "parquet",
    "pq": "parquet",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
    "db": "sqlite",
    "md": "markdown",
    "markdown": "markdown",
    "txt": "table",
}
_PACKED = ("parquet", "sqlite")  # binary, and compressed inside or read from the middle
_OF_INPUTS = {"geojson": "json"}  # JSON, but not as it is written here
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def split_compression(name: str) -> tuple[str, str | None]:
    """Return the name without the ending of a compression, and the compression."""
    for ending, kind in COMPRESSIONS.items():
        if name.lower().endswith(ending):
            return name[: -len(ending)], kind
    return name, None


def format_of(name: str) -> str | None:
    """Return the format for the ending of a file's name or address, if there is one."""
    return ENDINGS.get(_ending(name))


def input_format(name: str, readable: Collection[str]) -> str | None:
    """Return the format to read a file in; None if its content must tell. SQL text is `sql` here."""
    ending = _ending(name)
    found = _OF_INPUTS.get(ending) or ENDINGS.get(ending)
    found = "sql" if found == "insert" else found
    return found if found in readable else None


def output_format(
    name: str, writable: Collection[str], given: str | None, default: str = "csv", option: str = "--format"
) -> str:
    """Return the format to write a file in: the given one, else that of its ending, else the default.

    Raises `bad_request` for a format that is not one of `writable`, for an unknown ending without a given format, and
    for a compressed file of a binary format. A single writable format needs no ending of its own.
    """
    found = _chosen(name, writable, given, default, option)
    if found in _PACKED and split_compression(name)[1] is not None:
        raise SldbError(
            "bad_request", f"{name}: {found} files are not compressed as a whole", f"leave out {_listed(COMPRESSIONS)}"
        )
    return found


def _chosen(name: str, writable: Collection[str], given: str | None, default: str, option: str) -> str:
    if given is not None:
        return writable_format(given, writable, option)
    ending, found = _ending(name), format_of(name)
    if not ending:
        return default
    if found is not None and found in writable:
        return found
    if found is None or found == "table":  # a .txt file may hold any text
        if len(writable) == 1:
            return next(iter(writable))
        known = [f".{each}" for each in ENDINGS if ENDINGS[each] in writable]
        hint = (
            f"give {option} with one of {', '.join(writable)}, or a name with one of the endings {' '.join(known)} "
            f"(then {' or '.join(COMPRESSIONS)} for a compressed file)"
        )
        raise SldbError("bad_request", f"no format is known for {name}", with_suggestion(f".{ending}", known, hint))
    raise SldbError(
        "bad_request",
        f"{name} is named like a file in the format {found}, which cannot be written here",
        f"give {option} with one of {', '.join(writable)}, or another name",
    )


def writable_format(given: str, writable: Collection[str], option: str = "--format") -> str:
    """Return the given format if it is one of `writable`; else raise `bad_request`."""
    if given not in writable:
        message = f"{option}: got {given!r}, want {_listed(writable)}"
        raise SldbError("bad_request", message, suggestion(given, writable))
    return given


def usual_ending(format_name: str) -> str:
    """Return the ending for files in a format, with its dot."""
    return next((f".{ending}" for ending, each in ENDINGS.items() if each == format_name), ".txt")


def _ending(name: str) -> str:
    """Return the ending in lower case, without its dot and that of a compression; empty if there is none.

    The dot at the beginning of a hidden file's name is no ending.
    """
    plain = split_compression(name.rpartition("/")[2])[0].lstrip(".")
    return plain.rpartition(".")[2].lower() if "." in plain else ""


def _listed(names: Collection[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
