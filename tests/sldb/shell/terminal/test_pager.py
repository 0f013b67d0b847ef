from __future__ import annotations

import io
import shlex
import signal
import sys
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.shell.terminal.editor import edit
from sldb.shell.terminal.pager import PROMPT_LINES, Pager, fits


@pytest.mark.parametrize(
    ("shown", "fit"),
    [
        ("", True),
        ("x\n" * (10 - PROMPT_LINES), True),
        ("x\n" * (11 - PROMPT_LINES), False),
        ("x" * 20 * (10 - PROMPT_LINES) + "\n", True),
        ("x" * 20 * (10 - PROMPT_LINES) + "x\n", False),
        ("山" * 10 * (10 - PROMPT_LINES) + "\n", True),
        ("山" * 10 * (10 - PROMPT_LINES) + "山\n", False),
        ("\x1b[1;36mx\x1b[0m" * 20 + "\n", True),
    ],
)
def test_what_fits(shown: str, fit: bool) -> None:
    assert fits(shown, 20, 10) is fit


LONG = "é\n" * 500


def test_what_does_not_fit_goes_to_the_pager(tmp_path: Path) -> None:
    out = io.StringIO()
    Pager.from_environment({"PAGER": f"tee {shlex.quote(str(tmp_path / 'paged'))}"}, out).show(LONG)
    assert (out.getvalue(), (tmp_path / "paged").read_text("utf-8")) == ("", LONG)


@pytest.mark.parametrize(("chops", "options"), [(False, "-RXF"), (True, "-RXFS")])
@pytest.mark.parametrize("chosen", [None, "less", "less -N"])
def test_less_says_how_to_leave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, chops: bool, options: str
) -> None:
    less = tmp_path / "less"
    less.write_text(f'#!/bin/sh\nprintf \'%s\\n\' "$*" "$LESS" > {shlex.quote(str(tmp_path))}/told\ncat > /dev/null\n')
    less.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("LESS", raising=False)
    Pager.from_environment({"PAGER": chosen} if chosen else {}, io.StringIO()).show(LONG, chops)
    arguments, variable = (tmp_path / "told").read_text().splitlines()
    if chosen is None:
        assert arguments.startswith(f"{options} -Psq leaves, ")
    else:
        assert f"less {arguments}".rstrip() == chosen
    assert variable.startswith(f"{options} -Psq leaves, ")
    assert variable.endswith("$")


@pytest.mark.parametrize("command", ["", "no-such-program -x"])
def test_without_one_all_is_printed(command: str) -> None:
    out = io.StringIO()
    Pager.from_environment({"PAGER": command}, out).show(LONG)
    assert out.getvalue() == LONG


def test_one_that_leaves_early_is_no_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    out = io.StringIO()
    Pager.from_environment({"PAGER": "head -1"}, out).show("x" * 100 + "\n" + LONG * 1000)
    assert out.getvalue() == ""
    assert signal.getsignal(signal.SIGINT) is before


def test_the_editor(tmp_path: Path) -> None:
    script = tmp_path / "an editor.py"
    script.write_text("import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.upper() + '\\n')")
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"
    assert edit("select 1;", {"EDITOR": "no-such-program", "VISUAL": command}) == "SELECT 1;"
    for environment in ({"EDITOR": "false"}, {"EDITOR": "no-such-program"}):
        with pytest.raises(SldbError):
            edit("select 1;", environment)
