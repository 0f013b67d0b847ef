"""The colours: their contrast as WCAG 2 defines it, their names, and where they come from."""

from __future__ import annotations

import io

import pytest
from prompt_toolkit.styles import Attrs

from lambda_handlers.wire import SldbError
from sldb import theme
from sldb.client import Client
from sldb.config.settings import find_problem
from sldb.render import Screen, result_of, write
from sldb.shell.commands.registry import obey
from sldb.shell.output import Output
from sldb.shell.reader import DotCommand, read
from sldb.shell.session import Session
from sldb.shell.terminal import style
from tests.fakes.targets.sqlite_target import SqliteTarget

ENOUGH = 4.5  # WCAG 2, AA, text of usual size
BACKGROUNDS = {"default": ("#000000", "#ffffff"), "dark": ("#000000", "#1e1e1e"), "light": ("#ffffff",)}


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORFGBG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(theme._InUse, "theme", None)


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # an example of the W3C


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_every_colour_can_be_read_on_the_backgrounds_of_its_theme(name: str) -> None:
    for background in BACKGROUNDS[name]:
        found = {role: contrast(colour, background) for role, colour in theme.COLOURS[name].items()}
        assert {role: ratio for role, ratio in found.items() if ratio < ENOUGH} == {}, background


def test_no_colour_can_be_read_on_dark_grey_and_on_white() -> None:
    """The reason for two more themes: a grey of the best luminance has 4.08:1 on both."""
    best = max(
        min(contrast(f"#{grey:02x}" + f"{grey:02x}" * 2, each) for each in ("#1e1e1e", "#ffffff"))
        for grey in range(256)
    )
    assert 4 < best < ENOUGH


def test_the_colours_of_the_palette_are_shown_unchanged() -> None:
    for colours in theme.COLOURS.values():
        for colour in colours.values():
            number = theme._index(colour)
            if number >= 232:
                assert colour == f"#{8 + 10 * (number - 232):02x}" + f"{8 + 10 * (number - 232):02x}" * 2
            else:
                cube = divmod(number - 16, 36)[0], (number - 16) // 6 % 6, (number - 16) % 6
                assert colour == "#" + "".join(f"{theme._LEVELS[each]:02x}" for each in cube)


@pytest.mark.parametrize(
    ("colours", "meant"),
    [("15;0", "dark"), ("0;15", "light"), ("0;default;7", "light"), ("", "default"), ("x", "default")],
)
def test_the_terminal_may_name_its_background(monkeypatch: pytest.MonkeyPatch, colours: str, meant: str) -> None:
    monkeypatch.setenv("COLORFGBG", colours)
    assert theme.named("default").colours == theme.COLOURS[meant]
    assert theme.named("light").colours == theme.COLOURS["light"]


@pytest.mark.parametrize(
    ("name", "hint"), [("drak", "did you mean dark"), ("monokia", "did you mean monokai"), ("x", "a theme is")]
)
def test_an_unknown_theme_is_an_error(name: str, hint: str) -> None:
    with pytest.raises(SldbError) as refused:
        theme.use(name)
    assert refused.value.code == "bad_request"
    assert refused.value.hint.startswith(hint)
    assert find_problem("theme", name).startswith(f"no such theme: {name}; {hint}")
    assert theme.in_use().name == "default"


@pytest.mark.parametrize("name", ["default", "none", "monokai"])
def test_a_known_one_is_no_problem(name: str) -> None:
    assert find_problem("theme", name) == ""


def test_tables_and_messages_have_its_colours() -> None:
    theme.use("dark")
    out = io.StringIO()
    write([result_of(("n", "b"), [(1, None)])], "table", out, Screen(80, True, 0))
    assert "\x1b[38;5;74m1\x1b[0m" in out.getvalue()
    assert theme.in_use().paint("error", "error:") == "\x1b[1;38;5;203merror:\x1b[0m"
    theme.use("none")
    out = io.StringIO()
    write([result_of(("n", "b"), [(1, None)])], "table", out, Screen(80, True, 0))
    assert "\x1b" not in out.getvalue()
    assert theme.in_use().paint("error", "error:") == "error:"


def attributes(name: str, kind: str) -> Attrs:
    return style.of(theme.named(name)).get_attrs_for_style_str(f"class:{kind}")


def test_the_prompt_has_its_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert attributes("light", "bottom-toolbar").color == "6c6c6c"
    assert attributes("default", "auto-suggestion").color == "767676"
    assert attributes("default", "pygments.literal.string").color == "00875f"
    assert attributes("monokai", "pygments.literal.string").color == "e6db74"
    assert attributes("monokai", "bottom-toolbar").color == "767676"
    assert attributes("none", "pygments.literal.string").color == ""
    monkeypatch.setenv("NO_COLOR", "1")
    assert attributes("light", "bottom-toolbar").color == ""


def test_the_shell_changes_it() -> None:
    session = Session(Client(SqliteTarget()), Output(io.StringIO(), io.StringIO()))
    for text in (".theme light", ".theme"):
        command = read(text)
        assert isinstance(command, DotCommand)
        obey(command, session)
    assert isinstance(session.output.err, io.StringIO)
    assert session.output.err.getvalue().startswith("theme light; others: default, dark, light, none, ")
