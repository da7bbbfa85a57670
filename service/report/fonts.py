"""The fonts of the report: the standard PDF fonts cover Western European characters only."""

import functools
import re
import unicodedata
from pathlib import Path
from typing import Any, Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "NotoSans"
BOLD: Final = "NotoSans-Bold"

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
"""Printed in place of characters that the fonts lack."""

_SPACE: Final = re.compile(r"[^\S\N{NO-BREAK SPACE}]+")
_FOLDER: Final = Path(__file__).parent / "fonts"


@functools.cache
def register() -> frozenset[int]:
    """Register the fonts with ReportLab.

    Returns:
        The code points that both fonts contain.
    """
    regular: Any = TTFont(REGULAR, _FOLDER / "NotoSans-Regular.ttf")
    bold: Any = TTFont(BOLD, _FOLDER / "NotoSans-Bold.ttf")
    for font in (regular, bold):
        pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily(
        REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD
    )
    return frozenset(regular.face.charToGlyph) & frozenset(bold.face.charToGlyph)


def printable(text: str) -> str:
    """Turn a text into one line of printable characters.

    Combining accents are composed, whitespace becomes one space, and characters that the fonts
    lack become ``REPLACEMENT``.
    """
    available = register()
    line = _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()
    return "".join(character if ord(character) in available else REPLACEMENT for character in line)
