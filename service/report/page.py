"""The layout of the report: one A4 page, drawn with ReportLab."""

import io
import threading
from datetime import datetime
from itertools import chain
from typing import Any, Final

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
_HALF: Final = (_WIDTH - _GAP) / 2
_LEFT: Final = _WIDTH * 0.53
_PICTURE_HEIGHT: Final = 82 * mm
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
        # Shrink long texts of a user or a manifest: the report stays one page.
        # One cell: all of it keeps one width.
        story = Table([[_story(content, result)]], colWidths=[_WIDTH], style=_PLAIN)
        page = KeepInFrame(_WIDTH, height, [story], mode="shrink")
        _, used = page.wrapOn(canvas, _WIDTH, height)
        page.drawOn(canvas, _MARGIN, A4[1] - _MARGIN - used)
        canvas.showPage()
        canvas.save()
        return buffer.getvalue()


def _story(content: Content, result: Explanation | Unexplained) -> list[Any]:
    facts, trust, use, note = content.headings
    columns = Table(
        [
            [
                [_text(facts, _HEADING), *chain(*(_fact(*fact) for fact in content.facts))],
                "",
                [_text(trust, _HEADING), *(_text(line) for line in content.trust)],
            ]
        ],
        colWidths=[_LEFT, _GAP, _WIDTH - _LEFT - _GAP],
        style=_PLAIN,
        hAlign="LEFT",
    )
    story = [
        _head(content),
        Spacer(0, 3 * mm),
        _verdict(content, result),
        Spacer(0, 5 * mm),
        _pictures(content, result),
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


def _head(content: Content) -> Any:
    rows = [[_text(content.title, _TITLE), [_text(content.made, _RIGHT)]]]
    rows[0][1].append(_text(content.request, _RIGHT))
    if content.reference:
        rows.append([_text(content.reference, _STRONG), ""])
    line = ("LINEBELOW", (0, -1), (-1, -1), 0.8, HexColor(ACCENT))
    padding = ("BOTTOMPADDING", (0, -1), (-1, -1), 5)
    return Table(
        rows,
        colWidths=[_WIDTH * 0.62, _WIDTH * 0.38],
        style=[*_PLAIN, padding, line],
        hAlign="LEFT",
    )


def _verdict(content: Content, result: Explanation | Unexplained) -> Any:
    inner = _WIDTH - 8 * mm
    verdict = result.verdict
    box = [
        _text(content.headline, _HEADLINE),
        _text(content.sentence),
        *(_text(f"\N{BULLET} {warning}", _STRONG) for warning in content.warnings),
        *([_text(content.local)] if content.local else []),
        *(_text(line) for line in content.advice),
        Spacer(0, 1.5 * mm),
        probability_bar(
            inner,
            verdict.probability,
            verdict.threshold,
            labels=(content.probability, content.threshold),
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
    return Table([[box]], colWidths=[_WIDTH], style=style, hAlign="LEFT")


def _pictures(content: Content, result: Explanation | Unexplained) -> Any:
    left = _picture(frame(result.radiograph, longest=_PICTURE_PIXELS))
    note = _text(content.map_note, _SMALL)
    if isinstance(result, Explanation):
        right = _picture(overlay(result, longest=_PICTURE_PIXELS))
    else:
        right = [Spacer(0, 4 * mm), note]
    captions = [_text(caption, _STRONG) for caption in content.captions]
    rows: list[list[Any]] = [
        [captions[0], "", captions[1]],
        [left, "", right],
    ]
    if content.scale is not None:
        scale = colour_scale(left.drawWidth, labels=content.scale)
        rows.append(["", "", [Spacer(0, 1.5 * mm), scale]])
    padding = ("BOTTOMPADDING", (0, 0), (-1, 0), 3)
    table = Table(rows, colWidths=[_HALF, _GAP, _HALF], style=[*_PLAIN, padding], hAlign="LEFT")
    return table if isinstance(result, Unexplained) else _stacked(table, Spacer(0, mm), note)


def _stacked(*parts: Any) -> Any:
    return Table([[part] for part in parts], colWidths=[_WIDTH], style=_PLAIN, hAlign="LEFT")


def _picture(image: Image.Image) -> Any:
    """A picture with its aspect ratio, as a JPEG within the size limit."""
    for quality in (90, 75, 55, 35, 15, 5):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _PICTURE_BYTES:
            break
    ratio = min(_HALF / image.width, _PICTURE_HEIGHT / image.height)
    return Picture(buffer, image.width * ratio, image.height * ratio, hAlign="LEFT")


def _fact(label: str, value: str) -> list[Any]:
    """A label with its value below it; a digest is on one line, so that it can be searched for."""
    size = _SMALL.fontSize
    if " " not in fonts.printable(value):
        size *= min(1.0, _LEFT / (stringWidth(value, fonts.REGULAR, size) + 1))
    return [_text(label, _LABEL), _text(value, ParagraphStyle("fact", _SMALL, fontSize=size))]


def _text(text: str, style: Any = _BODY) -> Any:
    return paragraph(text, style)


def _pdf_date(moment: datetime) -> str:
    zone = moment.strftime("%z")
    return f"D:{moment:%Y%m%d%H%M%S}{zone[:3]}'{zone[3:5]}'"
