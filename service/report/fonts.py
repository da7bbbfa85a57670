"""The report's own letters: the PDF standard fonts hold no more than Western European ones."""

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
"""Stands for every character that the fonts lack."""

_SPACE: Final = re.compile(r"[^\S\N{NO-BREAK SPACE}]+")
_FOLDER: Final = Path(__file__).parent / "fonts"


@functools.cache
def register() -> frozenset[int]:
    """Make the fonts known to ReportLab.

    Returns:
        The code points that both hold.
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
    """One line of text with nothing in it that the fonts lack.

    Letters with accents are composed, white space becomes one space, and what cannot be
    printed becomes ``REPLACEMENT``.
    """
    known = register()
    line = _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()
    return "".join(letter if ord(letter) in known else REPLACEMENT for letter in line)
