"""How a file is named in a table, on a screen and in a line of JSON."""

import unicodedata
from pathlib import Path
from typing import Final

_STARTS_A_FORMULA: Final = ("=", "+", "-", "@")
_NO_GLYPH: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, bytes that are not UTF-8, line and paragraph breaks."""


def shown(path: Path) -> str:
    """Write a path so that it stays on one line and no program takes it for anything else.

    Characters without a glyph are escaped: a name may hold line breaks, bytes that are no UTF-8 or
    sequences that command a terminal. A relative path that a spreadsheet would read as a formula
    gets ``./`` in front, which names the same file.
    """
    name = str(path)
    text = "".join(_escaped(letter) for letter in name)
    return f"./{text}" if text.startswith(_STARTS_A_FORMULA) else text


def files(count: int) -> str:
    """Write how many files there are."""
    return "1 file" if count == 1 else f"{count} files"


def _escaped(letter: str) -> str:
    if unicodedata.category(letter) not in _NO_GLYPH:
        return letter
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
