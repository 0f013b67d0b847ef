"""A terminal in memory: what a person sees on it after all that was written."""

from __future__ import annotations

import io
import unicodedata


class Screen(io.StringIO):
    """It understands line ends, the return to the beginning of a line, and the erasure of a line's rest."""

    encoding = "utf-8"  # type: ignore[assignment]  # of a terminal

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """The lines from the top; the last is the one with the cursor."""
        lines, column = [""], 0
        text = self.getvalue()
        while text:
            if text.startswith("\x1b[K"):
                lines[-1] = lines[-1][:column]
                text = text[3:]
                continue
            character, text = text[0], text[1:]
            if character == "\r":
                column = 0
            elif character == "\n":
                lines.append("")
                column = 0
            else:
                assert unicodedata.category(character) != "Cc", repr(character)
                lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
                column += 1
        return lines
