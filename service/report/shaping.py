"""Text of any script: lines that fit a width, and the glyphs of a line, where they are printed."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import uharfbuzz

from service.report import bidi
from service.report.fonts import REGULAR, Face, face, face_of

# What can stay together at the end of a line: a word, with the spaces after it, or one character of
# the scripts that are written without spaces.
_IDEOGRAPHS: Final = r"\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"
_CLOSING: Final = r"\u3001\u3002\uff0c\uff0e\uff1a\uff1b\uff01\uff1f\uff09\u300d\u300f\u3011\uff3d"
_SPACES: Final = r"[^\S\N{NO-BREAK SPACE}]"
_PIECE: Final = re.compile(
    rf"[{_IDEOGRAPHS}](?:[{_CLOSING}]|{_SPACES})*|[^\s{_IDEOGRAPHS}]+{_SPACES}*|\s+"
)

_FEATURES: Final = {"kern": False, "liga": False, "clig": False}
"""What is not needed to read a script is left out: plain letters can be searched and copied."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A glyph of a line.

    Attributes:
        font: Name of its font in ReportLab.
        character: What prints it in that font.
        x: Its place from the start of the line, in ems.
        y: Its height over the baseline, in ems.
    """

    font: str
    character: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Characters that are printed as one: a letter with its marks, a ligature, a syllable.

    Attributes:
        text: The characters, in the order of reading.
        glyphs: What prints them.
    """

    text: str
    glyphs: tuple[Glyph, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the glyphs' own characters are the text, side by side on the baseline."""
        characters = "".join(glyph.character for glyph in self.glyphs)
        return self.text == characters and not any(glyph.y for glyph in self.glyphs)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is printed.

    Attributes:
        clusters: From left to right.
        width: In ems.
        right_to_left: Whether it is part of a paragraph that starts at the right.
    """

    clusters: tuple[Cluster, ...]
    width: float
    right_to_left: bool


def lines(text: str, width: float, main: str = REGULAR) -> list[Line]:
    """Break a paragraph into lines and shape them.

    Args:
        text: One paragraph of printable characters.
        width: Most ems of a line. A longer word is broken.
        main: The font to prefer.
    """
    base = bidi.base_level(text)
    found = bidi.levels(text, base)
    return [
        _line(text[start:end].rstrip(), tuple(found[start:end]), base, main)
        for start, end in _breaks(text, width, main)
    ]


def _breaks(text: str, width: float, main: str) -> Iterator[tuple[int, int]]:
    start, used = 0, 0.0
    for piece_start, piece_end in _pieces(text, width, main):
        piece = text[piece_start:piece_end]
        if used + _width(piece.rstrip(), main) > width and used:
            yield start, piece_start
            start, used = piece_start, 0.0
        used += _width(piece, main)
    yield start, len(text)


def _pieces(text: str, width: float, main: str) -> Iterator[tuple[int, int]]:
    """Where the text may be broken; inside a word only if it is too long for a line."""
    for match in _PIECE.finditer(text):
        start = match.start()
        if _width(match[0].rstrip(), main) > width:
            for place in range(start + 1, match.end()):
                clustered = unicodedata.category(text[place]).startswith("M")
                if not clustered and _width(text[start : place + 1].rstrip(), main) > width:
                    yield start, place
                    start = place
        yield start, match.end()


@functools.lru_cache(2048)
def _width(text: str, main: str) -> float:
    return _line(text, tuple(bidi.levels(text, 0)), 0, main).width


def _line(text: str, found: tuple[int, ...], base: int, main: str) -> Line:
    clusters: list[Cluster] = []
    x = 0.0
    for start, end, level in bidi.visual_runs(text, found[: len(text)], base):
        parts = _by_font(text[start:end], main)
        for part, font in reversed(parts) if level % 2 else parts:
            more, x = _shape(part, font, x, right_to_left=bool(level % 2))
            clusters += more
    return Line(tuple(clusters), x, bool(base))


def _by_font(text: str, main: str) -> list[tuple[str, Face]]:
    """Cut a run into pieces of one font; a mark stays with its letter if the font has it."""
    parts: list[tuple[str, Face]] = []
    for character in text:
        attached = unicodedata.category(character) in {"Mn", "Mc", "Me", "Cf"}
        if parts and attached:
            before, font = parts[-1]
            if ord(character) in font.characters:
                parts[-1] = (before + character, font)
                continue
        font = face_of(character, main) or face(main)
        if parts and parts[-1][1] is font:
            parts[-1] = (parts[-1][0] + character, font)
        else:
            parts.append((character, font))
    return parts


def _shape(text: str, font: Face, x: float, *, right_to_left: bool) -> tuple[list[Cluster], float]:
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if right_to_left else "ltr"
    uharfbuzz.shape(font.shaper, buffer, _FEATURES)
    shaped = list(zip(buffer.glyph_infos, buffer.glyph_positions, strict=True))
    starts = sorted({info.cluster for info, _ in shaped})
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
    clusters = []
    for start, parts in groupby(shaped, key=lambda part: part[0].cluster):
        glyphs = []
        for info, place in parts:
            across, up = x + place.x_offset / font.per_em, place.y_offset / font.per_em
            glyphs.append(Glyph(font.name, font.by_glyph[info.codepoint], across, up))
            x += place.x_advance / font.per_em
        clusters.append(Cluster(text[start : ends[start]], tuple(glyphs)))
    return clusters, x
