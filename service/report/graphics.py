"""The drawings of the report: the probability bar and the colour scale of the map."""

from typing import Any, Final

from reportlab.graphics.shapes import Drawing, Line, Polygon, Rect, String
from reportlab.lib.colors import Color, HexColor

from service.report import fonts
from service.screening.overlay import colour_ramp

INK: Final = "#1b2733"
MUTED: Final = "#566370"
ACCENT: Final = "#1f4e79"
TINT: Final = "#eef3f8"
_TRACK: Final = "#ccd6e0"
_MARK: Final = "#b45309"

_FONT_SIZE: Final = 7
_BAR_HEIGHT: Final = 8.0
_EDGE: Final = 0.2
"""Closer than this to an end of the scale, a label is aligned inwards instead of centred."""


def probability_bar(
    width: float, probability: float, threshold: float, *, labels: tuple[str, str]
) -> Any:
    """Draw a probability as a filled bar from 0 to 1, with a line at the threshold.

    Args:
        width: Width of the drawing, in points.
        probability: From 0 to 1.
        threshold: From 0 to 1.
        labels: Label of the probability, above the bar, and of the threshold, below it.
    """
    bottom = _FONT_SIZE + 6.0
    top = bottom + _BAR_HEIGHT
    drawing = Drawing(width, top + _FONT_SIZE + 6)
    drawing.add(_bar(0, bottom, width, _TRACK))
    drawing.add(_bar(0, bottom, width * probability, ACCENT))
    x = width * probability
    pointer = [x - 3, top + 4.5, x + 3, top + 4.5, x, top]
    drawing.add(Polygon(pointer, fillColor=HexColor(ACCENT), strokeColor=None))
    drawing.add(_label(labels[0], probability, width, top + 6.5, ACCENT))
    x = width * threshold
    line = Line(x, bottom - 4, x, top + 3, strokeColor=HexColor(_MARK), strokeWidth=1.4)
    drawing.add(line)
    drawing.add(_label(labels[1], threshold, width, 2, _MARK))
    for end in (0.0, 1.0):
        if abs(end - threshold) >= _EDGE:
            drawing.add(_label(f"{end:.0f}", end, width, 2, MUTED, bold=False))
    return drawing


def colour_scale(width: float, *, labels: tuple[str, str]) -> Any:
    """Draw the colours of the map, with a label at each end.

    Args:
        width: Width of the drawing, in points.
        labels: Labels of the weak and the strong end.
    """
    ramp = colour_ramp()[::4]
    height = 5.0
    drawing = Drawing(width, height + _FONT_SIZE + 4)
    step = width / len(ramp)
    for place, (red, green, blue) in enumerate(ramp / 255):
        colour = Color(float(red), float(green), float(blue))
        # A little wider than its share: otherwise viewers show gaps between the cells.
        cell = Rect(place * step, _FONT_SIZE + 4, step + 0.3, height)
        cell.fillColor, cell.strokeColor = colour, None
        drawing.add(cell)
    for label, end in zip(labels, (0.0, 1.0), strict=True):
        drawing.add(_label(label, end, width, 2, MUTED, bold=False))
    return drawing


def _bar(x: float, y: float, width: float, colour: str) -> Any:
    return Rect(x, y, width, _BAR_HEIGHT, fillColor=HexColor(colour), strokeColor=None)


def _label(
    text: str, share: float, width: float, y: float, colour: str, *, bold: bool = True
) -> Any:
    anchor = "start" if share < _EDGE else "end" if share > 1 - _EDGE else "middle"
    return String(
        width * share,
        y,
        fonts.printable(text),
        fontName=fonts.BOLD if bold else fonts.REGULAR,
        fontSize=_FONT_SIZE,
        fillColor=HexColor(colour),
        textAnchor=anchor,
    )
