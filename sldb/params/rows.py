"""The parameters of many executions from a file: one row, one execution.

    .jsonl, .ndjson  an object (named parameters) or array (?) a line
    .json            an array of them
    .csv, .tsv       the header names the parameters; values as `--param` reads them (a number in SQLite's own spelling,
                     else text); NULL is nothing between the commas, "" the empty text; in tsv
                     \\N and \\t \\n \\r \\\\ as `--format tsv` writes them

In JSON, {"$base64": true, "encoded": …} and {"$blob": …} are blobs, {"$float": "inf"} an infinity, true and false 1 and
0; other objects and arrays become their JSON text. The output of `--format jsonl` and `--format csv` can be read again.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, SldbError, Value
from sldb.params.arguments import guess

MAX_BYTES = 6_000_000  # of one request to the function, and so of one transaction


@dataclass(frozen=True, slots=True)
class ParamRow:
    params: tuple[Value, ...] | dict[str, Value]
    line: int  # where in the file it begins


def read(path: Path) -> list[ParamRow]:
    """Return the rows in order. Raises `bad_request` with file and line for invalid content, and `too_large`."""
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise SldbError(
            "bad_request", f"--params-from {path}: want a file named …{', …'.join(_READERS)}", "rename or convert it"
        )
    text = _text(path)
    return [ParamRow(params, line) for line, params in _READERS[kind](text, path)]


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise too_large(path)
        return path.read_bytes().decode("utf-8-sig")  # read_text would change line breaks inside of values
    except UnicodeDecodeError as error:
        raise SldbError("bad_request", f"{path} is not UTF-8 text: {error}", "convert it (iconv)") from None
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error.strerror or error}") from None


def too_large(path: Path) -> SldbError:
    return SldbError(
        "too_large",
        f"{path} is more than one request can hold ({MAX_BYTES // 1_000_000} MB), and so more than one transaction",
        f"sldb import {path} loads files of any size into a table",
        applied="no",
    )


def _jsonl(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _json_row(_json(line, path, number), path, number)


def _json_array(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    rows = _json(text, path, 1) if text.strip() else []
    if not isinstance(rows, list):
        raise _refused(path, 1, "an array of objects or arrays")
    for position, row in enumerate(rows, start=1):
        yield position, _json_row(row, path, position)


def _json(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _refused(path, line, f"JSON ({error})") from None


def _json_row(row: object, path: Path, line: int) -> tuple[Value, ...] | dict[str, Value]:
    if isinstance(row, dict):
        return {name.lstrip(":@$"): _json_value(value, path, line) for name, value in row.items()}
    if isinstance(row, list):
        return tuple(_json_value(value, path, line) for value in row)
    raise _refused(path, line, "an object of named parameters, or an array of positional ones")


def _json_value(value: Any, path: Path, line: int) -> Value:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        raise _refused(path, line, f"integers of at most 64 bits, and {value} as text")
    if isinstance(value, dict):
        return _tagged(value, path, line)
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    result: Value = value
    return result


def _tagged(value: dict[str, Any], path: Path, line: int) -> Value:
    if value.get("$float") in ("inf", "-inf", "nan"):
        return float(value["$float"])
    encoded = value.get("encoded") if value.get("$base64") is True else value.get("$blob")
    if encoded is None:
        return json.dumps(value, ensure_ascii=False)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise _refused(path, line, "base64 in a blob") from None


# One cell with its terminator. A quoted cell may hold anything, with its quotes doubled.
_CSV_CELL = re.compile(r'(?:"(?P<quoted>[^"]*(?:""[^"]*)*)"|(?P<bare>[^",\r\n]*))(?P<end>,|\r?\n|\Z)')


def _csv(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    return _named(_csv_records(text, path), path)


def _csv_records(text: str, path: Path) -> Iterator[tuple[int, list[Value]]]:
    line = begun = 1
    place = 0
    cells: list[Value] = []
    while place < len(text) or cells:
        match = _CSV_CELL.match(text, place)
        if match is None:
            raise _refused(path, line, "a cell whose quotes are closed, and doubled where they are inside of it")
        quoted, bare = match["quoted"], match["bare"]
        cells.append(quoted.replace('""', '"') if quoted is not None else guess(bare) if bare else None)
        place, line = match.end(), line + match[0].count("\n")
        if match["end"] != ",":
            yield begun, cells
            cells, begun = [], line


_TSV_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}


def _tsv(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    records = ((number, [_tsv_cell(cell) for cell in line.split("\t")]) for number, line in enumerate(lines, start=1))
    return _named(records, path)


def _tsv_cell(cell: str) -> Value:
    if cell == "\\N":
        return None
    return guess(re.sub(r"\\[tnr\\]", lambda match: _TSV_ESCAPES[match[0]], cell)) if "\\" in cell else guess(cell)


def _named(records: Iterator[tuple[int, list[Value]]], path: Path) -> Iterator[tuple[int, dict[str, Value]]]:
    """Yield the records after the first, the header. An empty line is NULL in a file of one column, else no row."""
    names: list[str] | None = None
    for line, cells in records:
        if names is None:
            names = ["" if cell is None else str(cell).strip().lstrip(":@$") for cell in cells]
            continue
        if cells == [None] and len(names) > 1:
            continue
        if len(cells) != len(names):
            raise _refused(path, line, f"{len(names)} cells, as the header has, not {len(cells)}")
        yield line, dict(zip(names, cells, strict=True))


_READERS = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json_array,
    ".csv": _csv,
    ".tsv": _tsv,
}


def _refused(path: Path, line: int, want: str) -> SldbError:
    return SldbError("bad_request", f"{path}:{line}: want {want}", "nothing was run")
