"""The styles of the prompt in the colours of a theme."""

from __future__ import annotations

import functools

from prompt_toolkit.styles import BaseStyle, Style, merge_styles, style_from_pygments_cls

from sldb import theme


def of(chosen: theme.Theme) -> BaseStyle:
    """Return the style of the prompt, its bottom line, the text that is proposed, and SQL."""
    return _style(chosen.name if theme.color_is_wanted() else "none")


@functools.cache
def _style(name: str) -> BaseStyle:
    chosen = theme.named(name)
    is_coloured = bool(chosen.colours)
    colours = {role: chosen.colours.get(role, "") for role in theme.COLOURS["default"]}
    own = Style.from_dict(
        {
            "prompt": "bold",
            "prompt.open": f"bold {colours['open']}",
            "bottom-toolbar": f"noreverse {colours['soft']}",
            "bottom-toolbar.open": f"noreverse bold {colours['open']}",
            "completion-menu": "bg:#bcbcbc #000000" if is_coloured else "bg:default default",
            "completion-menu.completion.current": "noreverse bg:#005f87 #ffffff" if is_coloured else "reverse bold",
            "auto-suggestion": colours["soft"],
            "pygments.keyword": "bold",
            "pygments.literal.string": colours["string"],
            "pygments.literal.number": colours["number"],
            "pygments.comment": f"italic {colours['soft']}",
        }
    )
    if not chosen.pygments:
        return own
    from pygments.styles import get_style_by_name

    return merge_styles([own, style_from_pygments_cls(get_style_by_name(chosen.pygments))])
