"""The layout of the report: one A4 page, drawn with ReportLab."""

import gc
import io
import threading
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple, Self

from PIL import Image
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Image as Picture
from reportlab.platypus import KeepInFrame, Spacer, Table

from service import __version__
from service.report import fonts
from service.report.content import Content
from service.report.graphics import ACCENT, INK, MUTED, TINT, colour_scale, probability_bar
from service.report.text import paragraph, typed_lines
from service.screening.explanation import Explanation, Unexplained
from service.screening.overlay import frame, overlay

# Binary instead of ASCII pictures: a fifth smaller, and in half the time.
rl_config.useA85 = 0

_MARGIN: Final = 15 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_GAP: Final = 5 * mm
_PICTURE_HEIGHT: Final = 82 * mm
_SCALES: Final = tuple(percent / 100 for percent in range(100, 56, -4))
_SCALE_WIDTH: Final = 60 * mm
"""Least width of the colour scale: its labels are not to overlap."""
_PICTURE_PIXELS: Final = 900
_PICTURE_BYTES: Final = 120_000
"""Maximum size of one picture, so that the file is small enough to send by mail."""

_REPORTLAB_LOCK: Final = threading.Lock()
"""ReportLab's fonts are not thread-safe: all threads share their position in the font file."""

_BODY: Final = ParagraphStyle(
    "body",
    fontName=fonts.REGULAR,
    fontSize=8.4,
    leading=10.8,
    spaceAfter=2,
    textColor=HexColor(INK),
)
_SMALL: Final = ParagraphStyle("small", _BODY, fontSize=6.8, leading=8.7)
_FAINT: Final = ParagraphStyle("faint", _SMALL, textColor=HexColor(MUTED))
_LABEL: Final = ParagraphStyle("label", _FAINT, spaceAfter=0)
_RIGHT: Final = ParagraphStyle("right", _FAINT, alignment=TA_RIGHT)
_HEADING: Final = ParagraphStyle(
    "heading", _BODY, fontName=fonts.BOLD, textColor=HexColor(ACCENT), spaceAfter=2
)
_TITLE: Final = ParagraphStyle("title", _HEADING, fontSize=15, leading=19)
_HEADLINE: Final = ParagraphStyle(
    "headline", _BODY, fontName=fonts.BOLD, fontSize=17, leading=22, spaceAfter=2
)
_STRONG: Final = ParagraphStyle("strong", _BODY, fontName=fonts.BOLD)

_PLAIN: Final = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 0),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]


def draw_page(content: Content, result: Explanation | Unexplained, made_at: datetime) -> bytes:
    """Draw the page.

    Args:
        content: The texts.
        result: Pictures and probabilities.
        made_at: Date of the document.

    Returns:
        The PDF.
    """
    page = _drawn(content, result, made_at)
    # ReportLab's readers of pictures refer to themselves. What they decoded, five megabytes for a
    # report, would wait for a collector that sees some thirty objects and no hurry.
    gc.collect()
    return page


def _drawn(content: Content, result: Explanation | Unexplained, made_at: datetime) -> bytes:
    with _REPORTLAB_LOCK:
        fonts.register()
        buffer = io.BytesIO()
        canvas = Canvas(
            buffer,
            pagesize=A4,
            pageCompression=1,
            invariant=1,
            lang=content.language,
        )
        canvas.setTitle(content.title)
        canvas.setSubject(content.subject)
        canvas.setAuthor(f"pneumonia-xray {__version__}")
        canvas.setCreator(f"pneumonia-xray {__version__}")
        canvas.setDateFormatter(lambda *_: _pdf_date(made_at))
        foot = _foot(content)
        _, foot_height = foot.wrapOn(canvas, _WIDTH, A4[1])
        foot.drawOn(canvas, _MARGIN, _MARGIN)
        height = A4[1] - 2 * _MARGIN - foot_height - 3 * mm
        pictures = _Pictures.of(result)
        # The report stays one page: what is too long is set smaller, over the same width.
        for scale in _SCALES:
            width, room = _WIDTH / scale, height / scale
            # One cell: all of it keeps one width.
            story = Table([[_story(content, result, pictures, width)]], [width], style=_PLAIN)
            _, used = story.wrapOn(canvas, width, room)
            if used <= room:
                break
        page = KeepInFrame(width, room, [story], mode="shrink")  # if even the smallest is too long
        _, used = page.wrapOn(canvas, width, room)
        canvas.saveState()
        canvas.translate(_MARGIN, A4[1] - _MARGIN)
        canvas.scale(scale, scale)
        page.drawOn(canvas, 0, -used)
        canvas.restoreState()
        canvas.showPage()
        canvas.save()
        return buffer.getvalue()


class _Pictures(NamedTuple):
    """The radiograph, and the same with its map if it has one, made once for all scales."""

    plain: "_Jpeg"
    mapped: "_Jpeg | None"

    @classmethod
    def of(cls, result: Explanation | Unexplained) -> Self:
        """Make them."""
        plain = _jpeg(frame(result.radiograph, longest=_PICTURE_PIXELS))
        if not isinstance(result, Explanation):
            return cls(plain, None)
        return cls(plain, _jpeg(overlay(result, longest=_PICTURE_PIXELS)))


class _Jpeg(NamedTuple):
    content: bytes
    width: int
    height: int


def _story(
    content: Content, result: Explanation | Unexplained, pictures: _Pictures, width: float
) -> list[Any]:
    left = width * 0.53
    facts, trust, use, note = content.headings
    columns = Table(
        [
            [
                [_text(facts, _HEADING), *chain(*(_fact(*fact, left) for fact in content.facts))],
                "",
                [_text(trust, _HEADING), *(_text(line) for line in content.trust)],
            ]
        ],
        colWidths=[left, _GAP, width - left - _GAP],
        style=_PLAIN,
        hAlign="LEFT",
    )
    story = [
        _head(content, width),
        Spacer(0, 3 * mm),
        _verdict(content, result, width),
        Spacer(0, 5 * mm),
        _pictures(content, pictures, width),
        Spacer(0, 4 * mm),
        columns,
        Spacer(0, 4 * mm),
        _text(use, _HEADING),
        *(_text(line) for line in content.use),
    ]
    if content.note:
        story += [Spacer(0, 3 * mm), _text(note, _HEADING), typed_lines(content.note, _BODY)]
    return story


def _foot(content: Content) -> Any:
    text = content.footer
    if fonts.REPLACEMENT in fonts.printable(content.reference + content.note):
        text = f"{text} {content.missing.format(sign=fonts.REPLACEMENT)}"
    return _text(text, _FAINT)


def _head(content: Content, width: float) -> Any:
    rows = [[_text(content.title, _TITLE), [_text(content.made, _RIGHT)]]]
    rows[0][1].append(_text(content.request, _RIGHT))
    if content.reference:
        rows.append([_text(content.reference, _STRONG), ""])
    line = ("LINEBELOW", (0, -1), (-1, -1), 0.8, HexColor(ACCENT))
    padding = ("BOTTOMPADDING", (0, -1), (-1, -1), 5)
    return Table(
        rows,
        colWidths=[width * 0.62, width * 0.38],
        style=[*_PLAIN, padding, line],
        hAlign="LEFT",
    )


def _verdict(content: Content, result: Explanation | Unexplained, width: float) -> Any:
    inner = width - 8 * mm
    box = [
        _text(content.headline, _HEADLINE),
        _text(content.sentence),
        *(_text(f"\N{BULLET} {warning}", _STRONG) for warning in content.warnings),
        *([_text(content.local)] if content.local else []),
        *(_text(line) for line in content.advice),
        Spacer(0, 1.5 * mm),
        probability_bar(
            inner,
            result.verdict,
            labels=(content.probability, content.threshold, content.between),
        ),
        Spacer(0, 1.5 * mm),
        _text("   \N{MIDDLE DOT}   ".join(content.members), _SMALL),
        Spacer(0, 1.5 * mm),
        _text(content.disclaimer, _STRONG),
    ]
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), HexColor(TINT)),
        ("LINEBEFORE", (0, 0), (0, -1), 3, HexColor(ACCENT)),
        ("LEFTPADDING", (0, 0), (-1, -1), 4 * mm),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 2 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5 * mm),
    ]
    return Table([[box]], colWidths=[width], style=style, hAlign="LEFT")


def _pictures(content: Content, pictures: _Pictures, width: float) -> Any:
    half = (width - _GAP) / 2
    left = _picture(pictures.plain, half)
    note = _text(content.map_note, _SMALL)
    mapped = pictures.mapped
    right = [Spacer(0, 4 * mm), note] if mapped is None else _picture(mapped, half)
    captions = [_text(caption, _STRONG) for caption in content.captions]
    rows: list[list[Any]] = [
        [captions[0], "", captions[1]],
        [left, "", right],
    ]
    if content.scale is not None:
        scale = colour_scale(max(left.drawWidth, _SCALE_WIDTH), labels=content.scale)
        rows.append(["", "", [Spacer(0, 1.5 * mm), scale]])
    padding = ("BOTTOMPADDING", (0, 0), (-1, 0), 3)
    table = Table(rows, colWidths=[half, _GAP, half], style=[*_PLAIN, padding], hAlign="LEFT")
    if mapped is None:
        return table
    return Table([[table], [Spacer(0, mm)], [note]], [width], style=_PLAIN, hAlign="LEFT")


def _jpeg(image: Image.Image) -> _Jpeg:
    """A picture as a JPEG within the size limit."""
    for quality in (90, 75, 55, 35, 15, 5):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _PICTURE_BYTES:
            break
    return _Jpeg(buffer.getvalue(), *image.size)


def _picture(jpeg: _Jpeg, half: float) -> Any:
    """A picture with its aspect ratio, in half of the width."""
    ratio = min(half / jpeg.width, _PICTURE_HEIGHT / jpeg.height)
    buffer = io.BytesIO(jpeg.content)
    return Picture(buffer, jpeg.width * ratio, jpeg.height * ratio, hAlign="LEFT")


def _fact(label: str, value: str, width: float) -> list[Any]:
    """A label with its value below it; a digest is on one line, so that it can be searched for."""
    size = _SMALL.fontSize
    if " " not in fonts.printable(value):
        size *= min(1.0, width / (stringWidth(value, fonts.REGULAR, size) + 1))
    return [_text(label, _LABEL), _text(value, ParagraphStyle("fact", _SMALL, fontSize=size))]


def _text(text: str, style: Any = _BODY) -> Any:
    return paragraph(text, style)


def _pdf_date(moment: datetime) -> str:
    zone = moment.strftime("%z")
    return f"D:{moment:%Y%m%d%H%M%S}{zone[:3]}'{zone[3:5]}'"
