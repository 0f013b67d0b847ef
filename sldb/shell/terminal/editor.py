"""The user's editor: a text is edited and read back."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lambda_handlers.wire import SldbError

_USUAL = ("sensible-editor", "nano", "vim", "vi", "notepad")


def edit(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the text as the user saved it. Raises `bad_request` if there is no editor, or it fails."""
    command = _command(environment)
    with tempfile.TemporaryDirectory(prefix="sldb-") as directory:  # only the user may read it
        path = Path(directory) / "statement.sql"
        path.write_text(text + "\n" if text else "", "utf-8")
        try:
            status = subprocess.call([*command, str(path)])
            if status != 0:
                raise SldbError("bad_request", f"{command[0]} ended with status {status}: the edited text was dropped")
            return path.read_text("utf-8").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            raise SldbError("bad_request", f"{command[0]}: {error}", "VISUAL or EDITOR names the editor") from None


def _command(environment: Mapping[str, str]) -> list[str]:
    wish = environment.get("VISUAL") or environment.get("EDITOR")
    if wish:
        return shlex.split(wish)
    found = next(filter(None, map(shutil.which, _USUAL)), None)
    if found is None:
        raise SldbError("bad_request", "there is no editor", "VISUAL or EDITOR names one")
    return [found]
