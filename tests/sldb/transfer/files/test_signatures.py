"""Files that are no tables are told by their first bytes, whatever their name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.transfer.files.input import Input
from tests.sldb.transfer.files.test_input import rows_of


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, "application/vnd.oasis.opendocument.spreadsheet" if name == "mimetype" else "<x/>")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        made.addfile(tarfile.TarInfo("people.csv"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "an Excel workbook"),
        (zipped("[Content_Types].xml", "word/document.xml"), "a Word document"),
        (zipped("mimetype", "content.xml"), "an OpenDocument spreadsheet"),
        (zipped("rows.json"), "a zip archive"),
        (zipped(), "a zip archive"),
        (tarred(), "a tar archive"),
        (bz2.compress(b"a,b\n1,2\n"), "compressed with bzip2"),
        (lzma.compress(b"a,b\n1,2\n"), "compressed with xz"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (b"%PDF-1.7\n", "a PDF document"),
    ],
)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_what_is_no_table_is_told_by_its_first_bytes(
    tmp_path: Path, content: bytes, said: str, is_compressed: bool
) -> None:
    for name in ("people.csv", "rows.json", "rows"):
        (tmp_path / name).write_bytes(gzip.compress(content) if is_compressed else content)
        for options in ({}, {"format": "csv"}):
            with pytest.raises(SldbError) as caught:
                rows_of(Input(str(tmp_path / name)), b"", **options)
            assert (caught.value.code, caught.value.message.endswith(f" is {said}")) == ("bad_request", True)
            assert caught.value.hint


def test_a_text_may_begin_like_one_of_these(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for name in ("BZh9", "PK", "7z", "Rar!"):
        path.write_text(f"{name},b\n1,2\n")
        assert rows_of(Input(str(path)), b"") == [["1", "2"]]
