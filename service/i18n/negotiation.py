"""Chooses the language of a response by the Accept-Language header."""

import re
from typing import Final

from service.i18n.catalogue import LANGUAGES, Language

# RFC 9110, 12.5.4: a language range and its weight, from 0 to 1 with at most three decimals.
_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)"
    r"\s*(?:;\s*[Qq]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*"
)
_MAX_LENGTH: Final = 1000
"""Characters of the header that are read; no browser sends more."""


def negotiate_language(accept_language: str | None, default: Language = "en") -> Language:
    """The language with the greatest weight; of equal ones, the first.

    Regions are ignored (``es-AR`` is ``es``), and so are malformed entries. ``*`` is the default.

    Args:
        accept_language: Value of the header; None if it was not sent.
        default: Used if the header names no language that we have.
    """
    best, best_weight = default, 0.0
    for entry in (accept_language or "")[:_MAX_LENGTH].split(","):
        match = _RANGE.fullmatch(entry)
        if match is None:
            continue
        primary = match[1].split("-")[0].lower()
        named = default if primary == "*" else _known(primary)
        weight = float(match[2] or 1)
        if named is not None and weight > best_weight:
            best, best_weight = named, weight
    return best


def _known(code: str) -> Language | None:
    return next((language for language in LANGUAGES if language == code), None)
