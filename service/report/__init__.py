"""The PDF report: a verdict, its radiograph, and what is known about the model, on one page."""

from datetime import datetime
from pathlib import Path
from typing import Final

from service.i18n import Language
from service.inference import Bundle
from service.screening.explanation import Explanation, Unexplained

MAX_REFERENCE: Final = 80
"""Maximum length of the user's reference, in characters."""

MAX_NOTE: Final = 500
"""Maximum length of the user's note, in characters."""

_FONTS: Final = Path(__file__).parent / "fonts"


def font_files() -> dict[str, Path]:
    """The report's fonts, for others who draw words: ``plain`` and ``strong``."""
    return {"plain": _FONTS / "NotoSans-Regular.ttf", "strong": _FONTS / "NotoSans-Bold.ttf"}


def make_report(
    result: Explanation | Unexplained,
    bundle: Bundle,
    *,
    lang: Language,
    request_id: str,
    made_at: datetime,
    reference: str = "",
    note: str = "",
) -> bytes:
    """Create the report on one radiograph. Equal arguments give equal bytes.

    Args:
        result: Result of ``Screening.explain_if_possible``.
        bundle: The bundle that was used; only figures from its manifest are printed.
        lang: Language of the report.
        request_id: ID of the request.
        made_at: Date and time to print, with time zone.
        reference: Entered by the user, at most ``MAX_REFERENCE`` characters.
        note: Entered by the user, at most ``MAX_NOTE`` characters.

    Returns:
        A PDF of one A4 page.

    Raises:
        ValueError: A text is too long, or the time has no time zone.
    """
    if len(reference) > MAX_REFERENCE or len(note) > MAX_NOTE:
        raise ValueError(
            f"Expected at most {MAX_REFERENCE} characters of reference and {MAX_NOTE} of note. "
            f"Received: {len(reference)} and {len(note)}"
        )
    if made_at.tzinfo is None:
        raise ValueError("Expected a time with a time zone. Received: one without")
    # ReportLab is slow to import; only a service that creates reports should pay for that.
    from service.report.content import Content
    from service.report.page import draw_page

    content = Content.of(
        result,
        bundle,
        language=lang,
        request_id=request_id,
        made_at=made_at,
        reference=reference,
        note=note,
    )
    return draw_page(content, result, made_at)
