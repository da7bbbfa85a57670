"""The drawings of the report: the probability bar and the colour scale of the map."""

from math import ceil
from typing import Any, Final

from reportlab.graphics.shapes import Drawing, Line, Polygon, Rect, String
from reportlab.lib.colors import Color, HexColor, white

from service.report import fonts
from service.screening.overlay import colour_ramp
from service.screening.verdict import IndeterminateRange, Verdict

INK: Final = "#1b2733"
MUTED: Final = "#566370"
ACCENT: Final = "#1f4e79"
TINT: Final = "#eef3f8"
_TRACK: Final = "#ccd6e0"
_MARK: Final = "#b45309"

_FONT_SIZE: Final = 7
_BAR_HEIGHT: Final = 8.0
_HATCH: Final = 3.0
_EDGE: Final = 0.2
"""Closer than this to an end of the scale, a label is aligned inwards instead of centred."""


def probability_bar(width: float, verdict: Verdict, *, labels: tuple[str, str, str]) -> Any:
    """Draw a probability as a filled bar from 0 to 1, with a line at the threshold.

    Args:
        width: Width of the drawing, in points.
        verdict: Whose probability. The range that is indeterminate is hatched.
        labels: Of the probability, above the bar; of the threshold and of the range, below it.
    """
    probability, threshold = verdict.probability, verdict.threshold
    between = verdict.indeterminate
    below = _FONT_SIZE + 2.0 if between else 0.0
    bottom = below + _FONT_SIZE + 6.0
    top = bottom + _BAR_HEIGHT
    drawing = Drawing(width, top + _FONT_SIZE + 6)
    drawing.add(_bar(0, bottom, width, _TRACK))
    drawing.add(_bar(0, bottom, width * probability, ACCENT))
    if between:
        _add_range(drawing, bottom, width, between)
        middle = (between.lower + between.upper) / 2
        drawing.add(_label(labels[2], middle, width, 2, MUTED, bold=False))
    x = width * probability
    pointer = [x - 3, top + 4.5, x + 3, top + 4.5, x, top]
    drawing.add(Polygon(pointer, fillColor=HexColor(ACCENT), strokeColor=None))
    drawing.add(_label(labels[0], probability, width, top + 6.5, ACCENT))
    x = width * threshold
    line = Line(x, bottom - 4, x, top + 3, strokeColor=HexColor(_MARK), strokeWidth=1.4)
    drawing.add(line)
    drawing.add(_label(labels[1], threshold, width, below + 2, _MARK))
    for end in (0.0, 1.0):
        if abs(end - threshold) >= _EDGE:
            drawing.add(_label(f"{end:.0f}", end, width, below + 2, MUTED, bold=False))
    return drawing


def _add_range(drawing: Any, y: float, width: float, between: IndeterminateRange) -> None:
    """Hatch a part of the bar, whatever its fill, and mark its ends."""
    left, right = width * between.lower, width * between.upper
    for number in range(1, ceil((right - left) / _HATCH)):
        x = left + number * _HATCH
        drawing.add(Line(x, y, x, y + _BAR_HEIGHT, strokeColor=white, strokeWidth=0.6))
    for x in (left, right):
        end = Line(x, y - 3, x, y + _BAR_HEIGHT, strokeColor=HexColor(MUTED), strokeWidth=0.8)
        drawing.add(end)


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
