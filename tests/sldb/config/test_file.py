"""The config file: its valid and invalid content, and edits of one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.config import edit as config_edit
from sldb.config.file import Config, decode, line_of, read_config, user_config_directory
from sldb.config.settings import KEYS, Setting

HERE = Path("config.toml")
SAMPLE = """\
# mine
region = "eu-central-1"   # Frankfurt

[profiles.dev]
target = "local:~/orders"

[profiles."two words"]
region = 'us-east-1'
"""


def test_a_profile_outweighs_the_top_and_each_value_says_its_line() -> None:
    found = decode(HERE, SAMPLE)
    assert found.find("region", None) == Setting("eu-central-1", "config.toml:2")
    assert found.find("region", "dev") == Setting("eu-central-1", "config.toml:2")
    assert found.find("region", "two words") == Setting("us-east-1", "config.toml:8")
    assert found.find("target", "dev") == Setting("local:~/orders", "config.toml:5")
    assert found.find("target", None) is None


def test_a_profile_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SldbError, match=r"there is no profile prod in .*; there: dev, two words"):
        decode(HERE, SAMPLE).find("region", "prod")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('x\nregion = "eu"', 1, "not TOML"),
        ('region = "eu"\nregion = "us"', 2, "not TOML"),
        ("region = eu", 1, "not TOML"),
        ('\nregio = "eu"', 2, "no such key: regio"),
        ("region = 5", 1, "want text in quotes"),
        ('region = ""', 1, "want text in quotes"),
        ('format = "xml"', 1, "no such format: xml"),
        ('target = "ftp:x"', 1, "no such target: ftp:x"),
        ('database = "UPPER"', 1, "want a name"),
        ('[profiles.dev]\nregion = "eu"\nformta = "csv"', 3, "no such key: formta"),
        ('profiles = "dev"', 1, "profiles holds tables"),
        ('[other]\nregion = "eu"', None, "no such key: other"),
    ],
)
def test_what_it_cannot_mean_is_an_error_with_its_line(text: str, line: int | None, says: str) -> None:
    with pytest.raises(SldbError, match=says) as caught:
        decode(HERE, text)
    assert caught.value.exit_code == 2
    assert caught.value.details["file"] == "config.toml"
    if line is not None:
        assert text.count("\n", 0, caught.value.details["offset"]) + 1 == line


def test_byte_order_marks_and_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbfregion = "eu"\r\nformat = "csv"\r\n')
    assert read_config(path).top == {"region": "eu", "format": "csv"}
    path.write_bytes(b"region = \xff")
    with pytest.raises(SldbError, match="not UTF-8"):
        read_config(path)


def test_no_file_is_an_empty_config(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none" / "config.toml") == Config(tmp_path / "none" / "config.toml")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs itself is asked")
@pytest.mark.parametrize("xdg", [None, "", "/somewhere/else"])
def test_the_directory_is_the_one_that_platformdirs_knows(monkeypatch: pytest.MonkeyPatch, xdg: str | None) -> None:
    import platformdirs

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if xdg is not None:
        monkeypatch.setenv("XDG_CONFIG_HOME", xdg)
    assert user_config_directory() == Path(platformdirs.user_config_dir("sldb", appauthor=False))


@pytest.mark.parametrize("profile", [None, "dev", "two words", "new", "größer"])
@pytest.mark.parametrize("key", ["region", "stack"])
def test_an_edit_changes_one_line(profile: str | None, key: str) -> None:
    before = decode(HERE, SAMPLE)
    after = config_edit.with_value(before, key, 'a "b" \\', profile)
    assert decode(HERE, after.text).find(key, profile) is not None
    assert (after.top if profile is None else after.profiles[profile])[key] == 'a "b" \\'
    kept = [line for line in SAMPLE.splitlines() if line_of(SAMPLE, "", key) == 0 or not line.startswith(key)]
    assert [line for line in kept if line not in after.text.splitlines()] == []
    undone = config_edit.without(after, key, profile)
    assert key not in (undone.top if profile is None else undone.profiles.get(profile, {}))


values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(
    st.lists(st.tuples(st.sampled_from(["stack", "region", "migrations"]), values, st.sampled_from([None, "a", "b"])))
)
def test_edits_say_what_a_dictionary_would(edits: list[tuple[str, str, str | None]]) -> None:
    edited, wanted = decode(HERE, "# kept\n"), dict[tuple[str | None, str], str]()
    for key, value, profile in edits:
        edited = config_edit.with_value(edited, key, value, profile)
        wanted[profile, key] = value
    again = decode(HERE, edited.text)
    found = {(None, key): value for key, value in again.top.items()}
    found |= {(name, key): value for name, table in again.profiles.items() for key, value in table.items()}
    assert found == wanted
    assert "# kept" in edited.text


def test_what_is_written_in_a_way_that_is_not_understood_is_left_alone() -> None:
    for text in ('profiles = {dev = {region = "eu"}}\n', 'migrations = """\nstack = "x"\n"""\n'):
        with pytest.raises(SldbError, match="sldb cannot edit"):
            config_edit.with_value(decode(HERE, text), "stack", "y", "dev" if "dev" in text else None)


def test_nothing_but_a_file_is_ever_replaced(tmp_path: Path) -> None:
    with pytest.raises(SldbError, match="is not a writable file"):
        config_edit.write(Config(tmp_path, ""))
    assert tmp_path.is_dir()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("# here\n")
    link.symlink_to(real)
    config_edit.write(config_edit.with_value(read_config(link), "region", "eu", None))
    assert link.is_symlink()
    assert json.dumps("eu") in real.read_text()


def test_the_template_is_a_config_and_names_every_key() -> None:
    text = config_edit.template()
    assert decode(HERE, text) == Config(HERE, text)
    assert all(f"\n# {key} = " in text for key in KEYS)
