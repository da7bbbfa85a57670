"""The fonts of the report: Noto Sans, and one for each further script, loaded when it is needed."""

import functools
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uharfbuzz
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "NotoSans"
BOLD: Final = "NotoSans-Bold"

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
"""Printed in place of characters that the fonts lack."""

_FOLDER: Final = Path(__file__).parent / "fonts"
_SPACE: Final = re.compile(r"[^\S\N{NO-BREAK SPACE}]+")
_PRIVATE_USE: Final = range(0xE000, 0xF900)
_LINE_BREAK: Final = re.compile(r"\r\n|[\n\v\f\r\x85\u2028\u2029]")

# By the blocks of Unicode. Several fonts share the signs; the first that has one prints it.
_SCRIPTS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "NotoSansArmenian": ((0x0530, 0x058F), (0xFB13, 0xFB17)),
    "NotoSansHebrew": ((0x0590, 0x05FF), (0xFB1D, 0xFB4F)),
    "NotoSansArabic": ((0x0600, 0x06FF), (0x0750, 0x077F), (0x08A0, 0x08FF), (0xFB50, 0xFEFC)),
    "NotoSansDevanagari": ((0x0900, 0x097F), (0x1CD0, 0x1CFF), (0xA8E0, 0xA8FF)),
    "NotoSansThai": ((0x0E00, 0x0E7F),),
    "NotoSansGeorgian": ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F)),
    "NotoSansHangul": ((0x3131, 0x318E), (0xAC00, 0xD7A3)),
    "NotoSansHan": ((0x3000, 0x9FFF), (0xFF00, 0xFFEF)),
    "NotoSansMath": ((0x2190, 0x22FF),),
    "NotoSansSymbols2": ((0x2190, 0x21FF), (0x2300, 0x27BF), (0x2B00, 0x2BFF)),
    "NotoSansSymbols": ((0x2190, 0x21FF), (0x2460, 0x26FF)),
}

_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Default ignorable code points besides those of the categories Cc and Cf."""
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_JOINED: Final = re.compile(f"(?<=[\u0600-\u06ff\u0750-\u077f\u0900-\u097f])[{_JOINERS}]")
"""Where they stand in words of Arabic script and Devanagari they are part of the spelling."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font, for ReportLab and for HarfBuzz.

    Attributes:
        name: Its name in ReportLab.
        characters: The code points that it prints.
        shaper: Its glyphs and rules.
        by_glyph: A code point of each glyph. Glyphs that no character has for its own, such as
            ligatures, have code points for private use.
        per_em: Units of the shaper for one em.
    """

    name: str
    characters: frozenset[int]
    shaper: Any
    by_glyph: dict[int, str]
    per_em: int


@functools.cache
def register() -> None:
    """Register the main fonts with ReportLab."""
    face(REGULAR)
    face(BOLD)
    pdfmetrics.registerFontFamily(
        REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD
    )


@functools.cache
def face(name: str) -> Face:
    """Load a font and register it with ReportLab."""
    file = _FOLDER / (f"{name}.ttf" if "-" in name else f"{name}-Regular.ttf")
    font: Any = TTFont(name, file, shapable=False)
    pdfmetrics.registerFont(font)
    shaped = uharfbuzz.Face(uharfbuzz.Blob(file.read_bytes()))
    return Face(
        name,
        frozenset(font.face.charToGlyph).difference(_PRIVATE_USE),
        uharfbuzz.Font(shaped),
        {0: REPLACEMENT} | {glyph: chr(codes[0]) for glyph, codes in font.face.glyphToChar.items()},
        shaped.upem,
    )


def face_of(character: str, main: str = REGULAR) -> Face | None:
    """The font that prints a character; None if all of them lack it.

    Args:
        character: One character.
        main: The font to prefer.
    """
    code = ord(character)
    if code in face(main).characters:
        return face(main)
    for name, blocks in _SCRIPTS.items():
        if any(first <= code <= last for first, last in blocks) and code in face(name).characters:
            return face(name)
    return None


def is_plain(text: str) -> bool:
    """Whether the main fonts print a text as it is, without other scripts and their rules."""
    return all(ord(character) in face(REGULAR).characters for character in text)


def printable(text: str) -> str:
    """Turn a text into one line of printable characters.

    Combining accents are composed, whitespace becomes one space, and invisible characters are
    dropped. For characters that the fonts lack, their plain form is printed (for U+2103, a degree
    sign and a C), or ``REPLACEMENT``.
    """
    line = _SPACE.sub(" ", unicodedata.normalize("NFC", text))
    return "".join(_printable(line)).strip()


def printable_lines(text: str) -> list[str]:
    """The lines of a text as they were typed, each as ``printable`` writes it.

    Empty lines at the start and the end are left out, and of several in a row one is kept.
    """
    lines = [printable(line) for line in _LINE_BREAK.split(text)]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return kept if not kept or kept[-1] else kept[:-1]


def _printable(line: str) -> list[str]:
    joined = {match.start() for match in _JOINED.finditer(line)}
    found = []
    for place, character in enumerate(line):
        if place in joined:
            found.append(character)
        elif unicodedata.category(character) in {"Cc", "Cf"} or _INVISIBLE.match(character):
            continue
        else:
            found.append(_covered(character))
    return found


def _covered(character: str) -> str:
    """A character that can be printed, or what stands for it: its plain form, or a replacement."""
    for form in (character, unicodedata.normalize("NFKC", character)):
        if all(map(face_of, form)):
            return form
    return REPLACEMENT
