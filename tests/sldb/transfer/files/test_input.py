"""Inputs: what their first bytes tell, and text that comes as UTF-8 whatever it was."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.transfer.files import recoding
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.tables import ReadOptions, read

MARKED = {
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
TEXTS = {
    "people.csv": "name,age\r\nZoë,7\r\n",
    "people.tsv": "name\tage\rZoë\t7\r",
    "people.jsonl": '{"name": "Zoë", "age": 7}\n',
    "people.json": '[{"name": "Zoë", "age": 7}]',
    "people": "name,age\nZoë,7\n",
}


def rows_of(source: Input, content: bytes, **options: str) -> list[list[str]]:
    source.format = ""
    found = []
    for stream in read(source, ReadOptions(table="people", **options), BadRows(skip=False), io.BytesIO(content)):
        found += [[str(value) for value in values] for _, values in stream.rows]
    return found


@pytest.mark.parametrize("is_file", [True, False])
@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("name", TEXTS)
def test_a_byte_order_mark_is_enough(tmp_path: Path, name: str, encoding: str, is_file: bool) -> None:
    content = MARKED[encoding] + TEXTS[name].encode(encoding)
    path = tmp_path / name
    path.write_bytes(content)
    options = {} if is_file else {"format": Path(name).suffix.removeprefix(".") or "csv"}
    source = Input(str(path) if is_file else STANDARD_INPUT)
    assert rows_of(source, content, **options) == [["Zoë", "7"]]


@pytest.mark.parametrize(
    "spelling", ["utf-16", "UTF_16", "utf16", "utf-16-le", "utf-16-be", "utf_32", "U32", "latin-1"]
)
@pytest.mark.parametrize("name", TEXTS)
def test_an_encoding_is_named_in_any_of_its_spellings(tmp_path: Path, name: str, spelling: str) -> None:
    path = tmp_path / name
    path.write_bytes(TEXTS[name].encode(spelling))
    assert rows_of(Input(str(path)), b"", encoding=spelling) == [["Zoë", "7"]]


def test_it_is_found_below_a_compression(tmp_path: Path) -> None:
    path = tmp_path / "people.txt"  # the compression by its first bytes
    path.write_bytes(gzip.compress(codecs.BOM_UTF16_LE + TEXTS["people.csv"].encode("utf-16-le")))
    assert rows_of(Input(str(path)), b"", format="csv") == [["Zoë", "7"]]


def test_a_dump_in_utf_16_is_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "people.sql"
    path.write_bytes("CREATE TABLE people (name, age);\nINSERT INTO people VALUES ('Zoë', 7);\n".encode("utf-16"))
    assert rows_of(Input(str(path)), b"") == [["1", "Zoë", "7"]]  # with the rowid


@given(text=st.text("a€😀\n", max_size=40), size=st.integers(1, 7), encoding=st.sampled_from(sorted(MARKED)))
def test_text_comes_as_utf_8_in_pieces_of_any_size(text: str, size: int, encoding: str) -> None:
    content = recoding.AsUtf8(io.BytesIO(text.encode(encoding)), encoding)
    pieces = iter(lambda: content.read(size), b"")
    assert b"".join(pieces).decode() == text


@pytest.mark.parametrize("content", [b"a\0\n\0\x00\xd8b\0", b"a\0\n\0b"])
def test_what_is_no_text_is_told_with_its_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(SldbError, match=r"people\.csv:2:1: not text in its encoding; see --encoding"):
        rows_of(Input(str(path)), b"", encoding="utf-16-le")


@pytest.mark.parametrize("name", ["people.json", "people.sql"])
def test_documents_that_are_no_text_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    text = '[{"a": "?"}]' if name.endswith("json") else "CREATE TABLE t (a);\nINSERT INTO t VALUES ('?');\n"
    path.write_bytes(text.encode("utf-16").replace(b"?\0", b"\0\xd8"))
    with pytest.raises(SldbError, match=r"people.*not .*text"):
        rows_of(Input(str(path)), b"")


@pytest.mark.parametrize("encoding", ["cp037", "cp500", "utf-7"])
def test_encodings_without_ascii_are_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("name,n\nZoë+,1\n".encode(encoding))
    assert rows_of(Input(str(path)), b"", encoding=encoding) == [["Zoë+", "1"]]


@pytest.mark.parametrize("name", ["hex", "base64", "undefined", "no-such"])
def test_an_encoding_is_one_of_text(name: str) -> None:
    with pytest.raises(SldbError, match="no such encoding"):
        recoding.check_encoding(name)


@pytest.mark.parametrize("start", ["<!DOCTYPE html>\n<title>404, not found", "\ufeff\n <HTML><body>a,b"])
def test_an_html_page_is_no_table(start: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(start)
    with pytest.raises(SldbError, match="is an HTML page"):
        rows_of(Input(str(path)), b"")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{\n  "a": 1,\n  "b": [\n    2\n  ]\n}\n{\n  "a": 3\n}\n', [["1", "[2]"], ["3", "None"]]),
        ('[\n  {\n    "a": 1\n  }\n]\n', [["1"]]),
        ('{"a":\n1}', [["1"]]),
        ('{"a": 1}\n{"a": 2}\n', [["1"], ["2"]]),
        ('{"a": 1}', [["1"]]),
        ('{"a": 1}{"a": 2} {"a": 3}\n', [["1"], ["2"], ["3"]]),
        ("{}\n{}", [[], []]),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_json_without_a_name_is_read_in_any_layout(tmp_path: Path, text: str, rows: object, is_file: bool) -> None:
    path = tmp_path / "rows"
    path.write_text(text)
    assert rows_of(Input(str(path) if is_file else STANDARD_INPUT), text.encode()) == rows


def test_a_bad_line_of_json_lines_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    for line in ('{"a": oops}', '{"a": "' + "x" * 9000):
        path.write_text(line + '\n{"a": 1}\n')
        with pytest.raises(SldbError, match=r"rows:1:\d+: "):
            rows_of(Input(str(path)), b"")
