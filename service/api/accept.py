"""Chooses between the media types of an answer by the Accept header (RFC 9110, 12.5.1)."""

import re
from typing import Final

_TYPE: Final = re.compile(r"\s*([^\s;,]+)\s*((?:;[^;,]*)*)")
_WEIGHT: Final = re.compile(
    r";\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE
)
_MAX_LENGTH: Final = 1000
"""Characters of the header that are read; no browser sends more."""


def prefers(accept: str | None, media_type: str, over: str = "application/json") -> bool:
    """Whether a client names a media type, and no other that we have with a greater weight.

    Args:
        accept: Value of the header; None if it was not sent. Wildcards mean the usual answer.
        media_type: The one that must be asked for.
        over: The usual one.
    """
    weights: dict[str, float] = {}
    for entry in (accept or "")[:_MAX_LENGTH].split(","):
        match = _TYPE.fullmatch(entry)
        if match:
            weight = _WEIGHT.search(match[2])
            weights.setdefault(match[1].lower(), float(weight[1]) if weight else 1.0)
    return weights.get(media_type, 0.0) > 0 and weights[media_type] >= weights.get(over, 0.0)
