"""The colours of everything that sldb prints on a terminal: tables, errors, the prompt, SQL as it is typed.

The colours of the themes of our own are those of the palette of 256 colours, which terminals show unchanged, and have a
contrast of at least 4.5:1 (WCAG 2, AA): those of `default` on black and on white, of `dark` on grey up to #1e1e1e, of
`light` on white. No colour has it on #1e1e1e and on white. Without a setting, COLORFGBG chooses between the three.

A style of pygments colours the SQL that is typed; the rest has the colours of `default`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

_RESET = "\x1b[0m"
_LEVELS = (0, 95, 135, 175, 215, 255)  # of red, green and blue in the palette
_ATTRIBUTES = {"header": "1", "null": "3", "error": "1", "open": "1", "label": "1"}
_ROLE_COLOURS = {"null": "soft", "border": "soft", "header": "", "label": ""}  # others have a colour of their name

COLOURS = {
    "default": {
        "string": "#00875f",
        "number": "#5f5fff",
        "blob": "#875fd7",
        "soft": "#767676",
        "error": "#af5f5f",
        "open": "#d700af",
    },
    "dark": {
        "string": "#5faf5f",
        "number": "#5fafd7",
        "blob": "#af87d7",
        "soft": "#949494",
        "error": "#ff5f5f",
        "open": "#d7af00",
    },
    "light": {
        "string": "#005f00",
        "number": "#005faf",
        "blob": "#5f00af",
        "soft": "#6c6c6c",
        "error": "#af0000",
        "open": "#875f00",
    },
    "none": {},
}


@dataclass(frozen=True, slots=True)
class Theme:
    name: str
    colours: Mapping[str, str] = field(default_factory=dict)  # role → #rrggbb; empty: no colours
    pygments: str = ""  # the style for SQL; empty: the colours above

    def begin(self, role: str) -> str:
        """Return the escape sequence before a text of this role; "" for one without a style."""
        if not self.colours:
            return ""
        colour = self.colours.get(_ROLE_COLOURS.get(role, role), "")
        codes = [_ATTRIBUTES.get(role, ""), f"38;5;{_index(colour)}" if colour else ""]
        joined = ";".join(filter(None, codes))
        return f"\x1b[{joined}m" if joined else ""

    def paint(self, role: str, text: str) -> str:
        """Return the text in the style of the role."""
        begin = self.begin(role)
        return f"{begin}{text}{_RESET}" if begin else text


def named(name: str) -> Theme:
    """Return the theme of that name. Raises `bad_request` for an unknown one."""
    if name in COLOURS:
        own = _of_background(os.environ.get("COLORFGBG", "")) if name == "default" else name
        return Theme(name, COLOURS[own])
    if problem := find_problem(name):
        from lambda_handlers.wire import SldbError  # errors load it, and imports slow down the start of a command

        raise SldbError("bad_request", problem[0], problem[1])
    return Theme(name, COLOURS["default"], name)


def color_is_wanted() -> bool:
    """Return False if the user of a terminal has switched colours off."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def names() -> list[str]:
    """Return the names of all themes: our own, and the styles of pygments."""
    from pygments.styles import get_all_styles

    return list(dict.fromkeys((*COLOURS, *sorted(get_all_styles()))))


def find_problem(name: str) -> tuple[str, str] | None:
    """Return a message and a hint for an unknown name."""
    from sldb.did_you_mean import with_suggestion

    known = names()
    if name in known:
        return None
    hint = with_suggestion(name, known, f"a theme is one of {', '.join(COLOURS)}, or a style of pygments")
    return f"no such theme: {name}", hint


def _of_background(colours: str) -> str:
    """Return the theme for the background that a terminal names: COLORFGBG is "foreground;background"."""
    background = colours.rpartition(";")[2]
    if not background.isdecimal():
        return "default"
    return "light" if int(background) in (7, 15) else "dark"


def _index(colour: str) -> int:
    """Return the number of a colour in the palette of 256."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    if red == green == blue and red not in _LEVELS:
        return 232 + (red - 8) // 10
    return 16 + 36 * _LEVELS.index(red) + 6 * _LEVELS.index(green) + _LEVELS.index(blue)


class _InUse:
    theme: Theme | None = None  # None: not chosen yet


def use(name: str) -> None:
    """Print in the colours of a theme from now on. Raises `bad_request` for an unknown one."""
    _InUse.theme = named(name)


def in_use() -> Theme:
    """Return the theme that was chosen last."""
    if _InUse.theme is None:
        _InUse.theme = named("default")
    return _InUse.theme
