"""One page to file: a verdict, its radiograph and what is known of the model, as PDF."""

from datetime import datetime
from typing import Final

from service.i18n import Language
from service.inference import Bundle
from service.screening.explanation import Explanation, Unexplained

MAX_REFERENCE: Final = 80
"""Most characters of the reference that a user may type."""

MAX_NOTE: Final = 500
"""Most characters of the note that a user may type."""


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
    """Make the report on one radiograph. Equal arguments give equal bytes.

    Args:
        result: What ``Screening.explain_if_possible`` gave.
        bundle: The bundle that answered; its figures and limits are printed, and none are added.
        lang: Language of the report.
        request_id: Name of the request.
        made_at: Date and time that are printed, with time zone.
        reference: Typed by the user, at most ``MAX_REFERENCE`` characters.
        note: Typed by the user, at most ``MAX_NOTE`` characters.

    Returns:
        A PDF of one A4 page.

    Raises:
        ValueError: A text is too long, or the time has no zone.
    """
    if len(reference) > MAX_REFERENCE or len(note) > MAX_NOTE:
        raise ValueError(
            f"Expected at most {MAX_REFERENCE} characters of reference and {MAX_NOTE} of note. "
            f"Received: {len(reference)} and {len(note)}"
        )
    if made_at.tzinfo is None:
        raise ValueError("Expected a time with a time zone. Received: one without")
    # ReportLab takes a while to import, which only a service that makes reports should pay.
    from service.report.content import Content  # noqa: PLC0415
    from service.report.page import draw_page  # noqa: PLC0415

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
