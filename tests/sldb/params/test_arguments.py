from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import Params, SldbError
from sldb.params.arguments import guess, parse_params


@pytest.mark.parametrize(
    ("texts", "params"),
    [
        ([], None),
        (["5", "Ada"], (5, "Ada")),
        (["id=5", "name=Ada"], {"id": 5, "name": "Ada"}),
        (["@id=5", "$x=1", ":y=2"], {"id": 5, "x": 1, "y": 2}),
        (["zip:text=01234", "n:text=5"], {"zip": "01234", "n": "5"}),
        (["n:int=007", "r:real=1e3"], {"n": 7, "r": 1000.0}),
        (["x:null", "y:null="], {"x": None, "y": None}),
        ([":null", ":int=5", "=a=b", "="], (None, 5, "a=b", "")),
        (["b:blob=00ff", "j:json=[1, 2]"], {"b": b"\x00\xff", "j": "[1, 2]"}),
        (["empty=", "text=a\nb=c"], {"empty": "", "text": "a\nb=c"}),
        (["a b=c", "http://x/?y=1"], ("a b=c", "http://x/?y=1")),
        (["größe=1"], {"größe": 1}),
    ],
)
def test_spellings(texts: list[str], params: Params) -> None:
    assert parse_params(texts) == params


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "+1",
        "-0",
        "1e3",
        "2.50",
        "1.",
        ".5",
        "-0.0",
        "inf",
        "nan",
        "1_000",
        "0x10",
        " 5",
        "٣",
        "9" * 19,
        "0.1234567890123456",
    ],
)
def test_what_sqlite_would_write_otherwise_stays_text(text: str) -> None:
    assert guess(text) == text


def test_numbers() -> None:
    assert guess("-9223372036854775808") == -(2**63)
    assert guess("9223372036854775807") == 2**63 - 1
    assert guess("9223372036854775808") == "9223372036854775808"
    assert guess("-2.5") == -2.5
    assert isinstance(guess("2.0"), float)


@given(
    st.one_of(
        st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,18})?", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    )
)
def test_a_column_of_text_gets_what_was_typed(text: str) -> None:
    with_text = sqlite3.connect(":memory:")
    with_text.execute("create table t(x text)")
    with_text.execute("insert into t values (?)", [guess(text)])
    assert with_text.execute("select x from t").fetchone() == (text,)
    with_text.close()


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\xff\x00")
    (tmp_path / "a.txt").write_text("hellö", encoding="utf-8")
    found = parse_params([f"b:blob=@{tmp_path / 'a.bin'}", f"t:file={tmp_path / 'a.txt'}"])
    assert found == {"b": b"\xff\x00", "t": "hellö"}
    assert parse_params([f"t=@{tmp_path / 'a.txt'}", "n:text=@ada"]) == {"t": "hellö", "n": "@ada"}
    assert parse_params([f"@{tmp_path / 'a.txt'}", ":text=@ada"]) == ("hellö", "@ada")
    (tmp_path / "a.json").write_text("[1]\n", encoding="utf-8")
    assert parse_params([f"j:json=@{tmp_path / 'a.json'}"]) == {"j": "[1]\n"}


def test_a_file_that_is_not_text_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\xff\x00")
    with pytest.raises(SldbError, match="NAME:blob=@FILE"):
        parse_params([f"t=@{tmp_path / 'a.bin'}"])
    with pytest.raises(SldbError, match="for the text itself: NAME:text=@"):
        parse_params(["handle=@ada"])


@pytest.mark.parametrize(
    "texts",
    [
        ["a=1", "2"],
        ["a=1", "a=2"],
        ["a:int=x"],
        ["a:int=9223372036854775808"],
        ["a:real=x"],
        ["a:json={"],
        ["a:blob=0"],
        ["a:blob=@/no/such/file"],
        ["a:null=1"],
    ],
)
def test_refusals(texts: list[str]) -> None:
    with pytest.raises(SldbError) as caught:
        parse_params(texts)
    assert caught.value.code == "bad_request"
    assert texts[0].split("=")[0] in caught.value.message
