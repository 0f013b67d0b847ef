"""The endings of file names, and the formats for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb import file_formats
from sldb.transfer.export import FORMATS as EXPORTED
from sldb.transfer.files.input import FORMATS as IMPORTED

WRITABLE = ("csv", "json", "insert")
stems = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), min_size=1).filter(
    lambda stem: not stem.endswith(".") and stem.strip(".")
)


@given(stems, st.sampled_from(sorted(file_formats.ENDINGS)), st.sampled_from(["", ".gz", ".zst", ".GZ"]), st.booleans())
def test_an_ending_is_known_below_any_name_and_compression(stem: str, ending: str, packed: str, upper: bool) -> None:
    name = f"{stem}.{ending.upper() if upper else ending}{packed}"
    for path in (name, f"some.dir/{name}", f"s3://bucket/x.y/{name}"):
        assert file_formats.format_of(path) == file_formats.ENDINGS[ending]


@given(stems, st.sampled_from(WRITABLE))
def test_a_given_format_outweighs_any_name(name: str, format_name: str) -> None:
    assert file_formats.output_format(name, WRITABLE, format_name) == format_name


@pytest.mark.parametrize("name", ["x", "x.gz", ".x", "...x", "a.csv/x", "x.", "s3://bucket.csv/key", ".x.gz", "a.b/"])
def test_a_name_without_an_ending_has_the_default_format(name: str) -> None:
    assert file_formats.format_of(name) is None
    assert file_formats.output_format(name, WRITABLE, None, "json") == "json"


@pytest.mark.parametrize("name", ["out.xlsx", "out.xlsx.gz", "x.csv.bz2", "a.b.2026-11-27", "x.cvs", "x.txt"])
def test_an_unknown_ending_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(SldbError, match=f"no format is known for {name}") as caught:
        file_formats.output_format(name, WRITABLE, None)
    assert caught.value.exit_code == 2
    hint = caught.value.hint
    for part in ("--format", ".csv .json .sql .dump (then .gz or .zst", "csv, json, insert"):
        assert part in hint


def test_a_format_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(SldbError, match=r"x\.sqlite is named like a file in the format sqlite") as caught:
        file_formats.output_format("x.sqlite", WRITABLE, None)
    assert "csv, json, insert" in caught.value.hint
    with pytest.raises(SldbError, match="--format: got 'table', want csv, json or insert"):
        file_formats.output_format("x.csv", WRITABLE, "table")
    with pytest.raises(SldbError, match=r"\.mode: got 'table', want csv, json or insert"):
        file_formats.output_format("x.csv", WRITABLE, "table", option=".mode")


def test_a_mistyped_ending_or_format_is_suggested() -> None:
    with pytest.raises(SldbError) as caught:
        file_formats.output_format("x.cvs", WRITABLE, None)
    assert caught.value.hint.startswith("did you mean .csv? give --format")
    with pytest.raises(SldbError) as caught:
        file_formats.writable_format("jsno", WRITABLE)
    assert caught.value.hint == "did you mean json?"


def test_a_single_format_needs_no_ending() -> None:
    for name in ("x.bak", "x.txt", "x", "x.sql.gz"):
        assert file_formats.output_format(name, ("insert",), None, "insert") == "insert"
    with pytest.raises(SldbError, match="named like a file in the format json"):
        file_formats.output_format("x.json", ("insert",), None, "insert")


@pytest.mark.parametrize(("name", "given"), [("x.parquet.gz", None), ("x.db.ZST", None), ("x.gz", "sqlite")])
def test_binary_files_are_not_compressed(name: str, given: str | None) -> None:
    with pytest.raises(SldbError, match="not compressed as a whole"):
        file_formats.output_format(name, EXPORTED, given)


def test_inputs() -> None:
    assert file_formats.input_format("a.geojson", IMPORTED) == "json"
    assert file_formats.input_format("a.sql.gz", IMPORTED) == "sql"
    for name in ("a.txt", "a.md", "a", "a.xlsx", "-"):
        assert file_formats.input_format(name, IMPORTED) is None


def test_each_format_of_export_can_be_read_by_import_from_the_name_with_its_usual_ending() -> None:
    for name in EXPORTED:
        file_name = f"x{file_formats.usual_ending(name)}"
        assert file_formats.format_of(file_name) == name
        assert file_formats.input_format(file_name, IMPORTED) is not None


def test_compressions() -> None:
    assert file_formats.split_compression("x.csv.GZ") == ("x.csv", "gzip")
    assert file_formats.split_compression("x.zst") == ("x", "zstd")
    assert file_formats.split_compression("x.csv") == ("x.csv", None)
