"""Cuts down the fonts of the report that are not Latin.

Needs fontTools, and the folder of the static fonts as its argument:
``.venv/bin/python scripts/subset_fonts.py node_modules/@expo-google-fonts``.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fontTools import subset
from fontTools.ttLib import TTFont


def _blocks(*blocks: tuple[int, int]) -> set[int]:
    return {code for first, last in blocks for code in range(first, last + 1)}


def _encoded(codes: Iterable[int], encoding: str, size: int = 2) -> set[int]:
    """The code points that an older character set has as so many bytes."""
    found = ((code, chr(code).encode(encoding, "ignore")) for code in codes)
    return {code for code, content in found if len(content) == size}


_TARGET: Final = Path(__file__).parents[1] / "service" / "report" / "fonts"
_CJK: Final = range(0x3400, 0xA000)
# The first 5,401 characters of Big5 are those in frequent use.
_BIG5: Final = {code for code in _encoded(_CJK, "big5") if chr(code).encode("big5") < b"\xc9\x40"}
_HAN: Final = _encoded(_CJK, "gb2312") | _BIG5 | _encoded(_CJK, "shift_jis")
_JOINERS: Final = {0x200C, 0x200D}
_CIRCLE: Final = {0x25CC}

_FONTS: Final[dict[str, tuple[str, set[int]]]] = {
    "Han": ("SC", _HAN | _blocks((0x3001, 0x30FF), (0xFF01, 0xFF9F), (0xFFE5, 0xFFE6))),
    "Hangul": (
        "KR",
        _encoded(range(0xAC00, 0xD7A4), "euc_kr") | _blocks((0x3131, 0x318E)),
    ),
    "Arabic": (
        "Arabic",
        _blocks((0x0600, 0x06FF), (0x0750, 0x077F), (0x08A0, 0x08FF), (0xFB50, 0xFDFF))
        | _blocks((0xFE70, 0xFEFC))
        | _JOINERS
        | _CIRCLE,
    ),
    "Hebrew": ("Hebrew", _blocks((0x0590, 0x05FF), (0xFB1D, 0xFB4F)) | {0x20AA} | _CIRCLE),
    "Devanagari": (
        "Devanagari",
        _blocks((0x0900, 0x097F), (0xA8E0, 0xA8FF), (0x1CD0, 0x1CFF)) | _JOINERS | _CIRCLE,
    ),
    "Thai": ("Thai", _blocks((0x0E00, 0x0E7F)) | _CIRCLE),
    "Armenian": ("Armenian", _blocks((0x0530, 0x058F), (0xFB13, 0xFB17))),
    "Georgian": ("Georgian", _blocks((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F))),
    "Symbols": ("Symbols", _blocks((0x2600, 0x26FF), (0x2460, 0x24FF), (0x2190, 0x21FF))),
    "Symbols2": (
        "Symbols2",
        _blocks((0x2190, 0x21FF), (0x2300, 0x23FF), (0x2500, 0x26FF), (0x2700, 0x27BF))
        | _blocks((0x2B00, 0x2BFF)),
    ),
    "Math": ("Math", _blocks((0x2190, 0x22FF), (0x2032, 0x2037), (0x2A7D, 0x2A7E))),
}
_UNSHAPED: Final = frozenset({"Han", "Hangul", "Symbols", "Symbols2", "Math"})
# fmt: off
_DROPPED: Final = [
    "DSIG", "STAT", "vhea", "vmtx", "VORG", "BASE", "MATH", "gasp", "meta", "prep", "fpgm", "cvt ",
]
# fmt: on


def _cut(source: Path, target: Path, codes: set[int], *, shaped: bool) -> None:
    options = subset.Options()
    options.hinting = options.glyph_names = False
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.layout_features = ["*"] if shaped else []
    options.drop_tables += _DROPPED
    font: Any = TTFont(source, lazy=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    font.save(target)
    _name_all_glyphs(target)


def _name_all_glyphs(path: Path) -> None:
    """Give each glyph without a character a code point for private use."""
    font: Any = TTFont(path)
    encoded = set(font.getBestCmap().values())
    others = [glyph for glyph in font.getGlyphOrder()[1:] if glyph not in encoded]
    unicode = (table for table in font["cmap"].tables if table.isUnicode())
    tables = [table for table in unicode if table.format in {4, 12}]
    for table in tables:
        table.cmap.update({0xE000 + place: glyph for place, glyph in enumerate(others)})
    font["cmap"].tables = tables
    font.save(path)


def main(packages: Path) -> None:
    """Write each font."""
    for name, (original, codes) in _FONTS.items():
        package = "noto-sans-" + original.lower().replace("symbols2", "symbols-2")
        source = packages / package / "400Regular" / f"NotoSans{original}_400Regular.ttf"
        target = _TARGET / f"NotoSans{name}-Regular.ttf"
        _cut(source, target, codes, shaped=name not in _UNSHAPED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
