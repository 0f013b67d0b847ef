"""CSV and TSV: sldb reads its own output back, and reports errors with their places."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.render import delimited
from sldb.render.layout import Layout
from sldb.transfer.formats import bad_rows
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.delimited import DelimitedRows

CELLS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", '"', '""', ",", "\n", "\r\n", "\r", "\\N", "\\", "\\t", " a ", "a\tb", "\ufeffx", "\0", "\u2028"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
)


def read(
    text: str | bytes, is_tsv: bool = False, skip: bool = False, delimiter: str | None = None, header: bool = True
) -> tuple[list[str], list[tuple[int, list[str | None]]], BadRows]:
    bad = BadRows(skip)
    content = io.BytesIO(text.encode() if isinstance(text, str) else text)
    rows = DelimitedRows(content, "people.csv", is_tsv, bad, delimiter, header, "utf-8")
    return rows.columns, list(rows), bad


@pytest.mark.parametrize("is_tsv", [False, True])
@given(
    rows=st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1))
)
@example([[None]])
@example([['"', None], [None, "\r\n"]])
def test_what_is_written_is_read_back(is_tsv: bool, rows: list[list[str | None]]) -> None:
    names = [f"c{i}" for i in range(len(rows[0]))]
    lines = delimited.tsv_lines if is_tsv else delimited.csv_lines
    text = "\n".join(lines(names, [tuple(row) for row in rows], Layout())) + "\n"
    columns, found, _ = read(text, is_tsv, delimiter="\t" if is_tsv else ",")
    assert columns == names
    assert [cells for _, cells in found] == rows


@given(rows=st.lists(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=6), min_size=2, max_size=2)))
def test_what_python_writes_is_read(rows: Sequence[Sequence[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    assert [cells for _, cells in read(out.getvalue())[1]] == [list(row) for row in rows]


def test_nothing_is_null_and_quotes_are_the_empty_text() -> None:
    assert read('a,b,c\n,"",x\n')[1] == [(2, [None, "", "x"])]


def test_lines_are_those_of_the_file() -> None:
    assert read('a,b\r\n1,"x\r\ny"\r\n\r\n2,z\r\n')[1] == [(2, ["1", "x\r\ny"]), (5, ["2", "z"])]


@given(
    cells=st.lists(st.tuples(st.text('a\r\n,"', max_size=4), st.integers(0, 9)), min_size=1, max_size=5),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=6, max_size=6),
    is_closed=st.booleans(),
)
def test_all_line_ends_are_line_ends_outside_of_quotes(
    cells: list[tuple[str, int]], ends: list[str], is_closed: bool
) -> None:
    lines = ["a,b", *('"{}",{}'.format(text.replace('"', '""'), number) for text, number in cells)]
    text = "".join(line + end for line, end in zip(lines, ends, strict=False))
    found = read(text if is_closed else text.removesuffix("\n").removesuffix("\r"))[1]
    assert [row for _, row in found] == [[text, str(number)] for text, number in cells]


@pytest.mark.parametrize("is_tsv", [False, True])
def test_a_file_with_carriage_returns_alone_has_rows(is_tsv: bool) -> None:
    tab = "\t" if is_tsv else ","
    assert read(f"a{tab}b\r1{tab}2\r3{tab}4", is_tsv)[:2] == (["a", "b"], [(2, ["1", "2"]), (3, ["3", "4"])])
    assert read("a\r1\r\r2\r", is_tsv)[1] == [(2, ["1"]), (3, [None] if not is_tsv else [""]), (4, ["2"])]


def test_a_line_end_between_two_pieces_of_a_file_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_rows, "_CHUNK_BYTES", 1)
    assert read('a,b\r\n1,"x\r\ny"\r2,z\n\r3,w')[1] == [(2, ["1", "x\r\ny"]), (4, ["2", "z"]), (6, ["3", "w"])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"last, first";age\n"Doe, J";7\n', (["last, first", "age"], [(2, ["Doe, J", "7"])])),
        ("sep=;\na;b\n1;2,5\n", (["a", "b"], [(3, ["1", "2,5"])])),
        ('"sep=|"\r\na|b\r\n1|2\r\n', (["a", "b"], [(3, ["1", "2"])])),
        ('"sep=;"\na\n', (["sep=;"], [(2, ["a"])])),
        ("sep=x\nax1\n2x3\n", (["a", "1"], [(3, ["2", "3"])])),
        ("sep=x\n1\n", (["sep=x"], [(2, ["1"])])),
        ("sep=;\na\n1\n", (["a"], [(3, ["1"])])),
        ('"a;b"\n1;2\n', (["a;b"], [(2, ["1;2"])])),
        ('"a|b\tc"\n1\n', (["a|b\tc"], [(2, ["1"])])),
        ('"last,\nfirst";age\n1,5;2\n', (["last,\nfirst", "age"], [(3, ["1,5", "2"])])),
        ('"a;\n""b"\n1\n', (['a;\n"b'], [(3, ["1"])])),
        ('5";b\n1;2\n', (['5"', "b"], [(2, ["1", "2"])])),
    ],
)
def test_the_separator_is_that_of_the_header(text: str, found: object) -> None:
    assert read(text)[:2] == found


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_seen_in_the_header(separator: str) -> None:
    assert read(f"a{separator}b\n1,5{separator}2\n")[:2] == (["a", "b"], [(2, ["1,5", "2"])])


def test_the_line_that_names_the_separator_may_be_confirmed() -> None:
    assert read("sep=;\na;b\n1;2\n", delimiter=";")[:2] == (["a", "b"], [(3, ["1", "2"])])
    assert read("sep=;\n1\n", delimiter=",")[0] == ["sep=;"]


NAMES = st.text(st.sampled_from('ab ;|\t,"\n\r=\\é'), min_size=1, max_size=5).filter(lambda name: name.strip() != "")


@given(names=st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower))
@example([" a "])
@example(['"sep=;"'])
@example(["sep=;"])
def test_names_in_quotes_are_read_as_they_are(names: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([names, ["1"] * len(names)])
    assert read(out.getvalue())[0] == names
    out = io.StringIO("".join("\t".join(cells) + "\n" for cells in ([tsv(name) for name in names], ["1"] * len(names))))
    assert read(out.getvalue(), is_tsv=True)[0] == names


def tsv(name: str) -> str:
    """Return the name with the escapes of TSV."""
    return name.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def test_blanks_around_names_are_left_out_without_quotes() -> None:
    assert read('a , b," c"\n1,2,3\n')[0] == ["a", "b", " c"]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert read(b"\xef\xbb\xbfid,x\n1,2\n")[0] == ["id", "x"]


def test_without_a_header() -> None:
    assert read("1,2\n3,4\n", header=False)[:2] == (["c1", "c2"], [(1, ["1", "2"]), (2, ["3", "4"])])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a,b\n1,2\n1,2,3\n", "people.csv:3:5: 3 cells, and the header has 2"),
        ("a,b\n1\n", "people.csv:2:2: 1 cells, and the header has 2"),
        ('a,b\n1,"x"y\n', "people.csv:2:6: text after the closing quote of a cell"),
        ('a,b\n1,"x\n\ny"z\n', "people.csv:4:3: text after the closing quote of a cell"),
        ('a,b\n1,"never\n2,x\n', "people.csv:2:3: this quote is never closed"),
        (b"a,b\n1,2\n\xc3\xa9,\xff\n", "people.csv:3:3: not utf-8 text (byte 0xff); see --encoding"),
    ],
)
def test_a_bad_row_is_told_with_line_and_column(text: str | bytes, place: str) -> None:
    with pytest.raises(SldbError) as caught:
        read(text)
    assert (caught.value.code, caught.value.message) == ("bad_request", place)
    _, _, bad = read(text, skip=True)
    assert (bad.count, bad.messages) == (1, [place])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "people.csv is empty"),
        ("\ufeff", "people.csv is empty"),
        ("a\0,b\n", "people.csv:1:1: the name of column 1 has a NUL character"),
        ("a,,c\n", "people.csv:1:2: column 2 has no name"),
        ("a,b,A\n", "people.csv:1:3: there are two columns A"),
    ],
)
def test_what_leaves_nothing_to_go_on_with(text: str, message: str) -> None:
    for skip in (False, True):
        with pytest.raises(SldbError) as caught:
            read(text, skip=skip)
        assert caught.value.message == message


def test_the_lines_after_a_quote_that_is_never_closed_are_rows_of_their_own() -> None:
    _, rows, bad = read('a,b\n1,"never\n2,x\n3,y\n', skip=True)
    assert (rows, bad.messages) == (
        [(3, ["2", "x"]), (4, ["3", "y"])],
        ["people.csv:2:3: this quote is never closed"],
    )


def test_a_long_quoted_cell_takes_no_longer_than_it_is_long() -> None:
    cell = "line with words\n" * 200_000
    assert read(f'a,b\n1,"{cell}"\n')[1] == [(2, ["1", cell])]


def test_an_open_quote_before_a_large_file_ends_in_time() -> None:
    with pytest.raises(SldbError, match="never closed"):
        read('a,b\n1,"' + "x" * 2_000_000)
