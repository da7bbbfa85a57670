"""Paragraphs of the report: ReportLab's own, or shaped ones for what its fonts and rules lack."""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib.enums import TA_RIGHT
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Paragraph

from service.report import fonts
from service.report.shaping import Cluster, Line, lines

MOST_LINES: Final = 16
"""A text of more lines is set as one paragraph, with ``_LINE_END`` where they ended.

The report is one page, and shrinks to stay so: of hundreds of lines none could be read.
"""
_LINE_END: Final = " \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS} "

_SLIT: Final = 0.002
"""Ems; glyphs that are closer than this to where they are due are one string."""


def paragraph(text: str, style: Any) -> Any:
    """One paragraph; line breaks in the text become spaces."""
    line = fonts.printable(text)
    if fonts.is_plain(line):
        return Paragraph(escape(line), style)
    return ShapedText([line], style)


def typed_lines(text: str, style: Any) -> Any:
    """A text with the line breaks that were typed."""
    typed = fonts.printable_lines(text)
    if len(typed) > MOST_LINES:
        typed = [_LINE_END.join(filter(None, typed))]
    if all(map(fonts.is_plain, typed)):
        return Paragraph("<br/>".join(map(escape, typed)), style)
    return ShapedText(typed, style)


class ShapedText(Flowable):  # type: ignore[misc] # ReportLab has no types
    """Text with scripts that need other fonts, shaping, or the order from right to left.

    Args:
        paragraphs: Printable characters, one string for each line that was typed.
        style: Font, size, leading, colour and alignment of a ``Paragraph``.
    """

    def __init__(self, paragraphs: list[str], style: Any) -> None:
        super().__init__()
        self._paragraphs = paragraphs
        self._style = style
        self.spaceAfter = style.spaceAfter
        self._lines: list[Line] = []
        self._available = 0.0

    def wrap(self, available: float, _height: float) -> tuple[float, float]:
        """Break the lines, and return the width and height that they take."""
        self._available = available
        width = available / self._style.fontSize
        self._lines = [
            line for text in self._paragraphs for line in lines(text, width, self._style.fontName)
        ]
        return available, len(self._lines) * self._style.leading

    def draw(self) -> None:
        """Draw the lines, from the top."""
        size, leading = self._style.fontSize, self._style.leading
        self.canv.setFillColor(self._style.textColor)
        baseline = len(self._lines) * leading - size
        for line in self._lines:
            aligned_right = line.right_to_left or self._style.alignment == TA_RIGHT
            left = self._available - line.width * size if aligned_right else 0.0
            self._draw_line(line, left, baseline, size)
            baseline -= leading

    def _draw_line(self, line: Line, left: float, baseline: float, size: float) -> None:
        for plain, clusters in groupby(line.clusters, key=lambda cluster: cluster.is_plain):
            if plain:
                for font, text, x in _strings(clusters):
                    self.canv.setFont(font, size)
                    self.canv.drawString(left + x * size, baseline, text)
            else:
                for cluster in clusters:
                    self._draw_cluster(cluster, left, baseline, size)

    def _draw_cluster(self, cluster: Cluster, left: float, baseline: float, size: float) -> None:
        """Draw glyphs that are not the text, marked with it for programs that search or copy."""
        text = cluster.text.encode("utf-16-be").hex().upper()
        self.canv.addLiteral(f"/Span <</ActualText <FEFF{text}>>> BDC")
        for glyph in cluster.glyphs:
            self.canv.setFont(glyph.font, size)
            x, y = left + glyph.x * size, baseline + glyph.y * size
            self.canv.drawString(x, y, glyph.character)
        self.canv.addLiteral("EMC")


def _strings(clusters: Iterable[Cluster]) -> Iterator[tuple[str, str, float]]:
    """Join clusters of a font that stand side by side: font, text and place of each string."""
    font, text, start, end = "", "", 0.0, 0.0
    for glyph in chain.from_iterable(cluster.glyphs for cluster in clusters):
        if text and (glyph.font != font or abs(glyph.x - end) > _SLIT):
            yield font, text, start
            text = ""
        if not text:
            font, start = glyph.font, glyph.x
        text += glyph.character
        end = start + stringWidth(text, font, 1)
    if text:
        yield font, text, start
