"""Unique identifiers that are equal for equal things, so that sending twice doubles nothing."""

import hashlib
import re
import uuid
from typing import Final

ANY_ROOT: Final = "2.25"
"""Root of identifiers made of UUIDs, which anybody may use (ISO/IEC 9834-8, PS3.5 annex B.2)."""

MANUFACTURER: Final = "pneumonia-xray"
"""In every object that is made here; the node recognises its own results by it."""

_LONGEST: Final = 64
"""Characters of a UID (PS3.5 section 9.1)."""

_UID: Final = re.compile(r"[0-9][0-9.]{0,63}")


def derived_uid(root: str, *parts: str) -> str:
    """Derive a UID from what it stands for.

    Args:
        root: The operator's root, or ``ANY_ROOT``.
        parts: What the identified thing is; equal parts give an equal UID.

    Returns:
        Under ``ANY_ROOT`` a UUID of version 5, in its decimal form; under another root as many
        digits of the SHA-256 of the parts as fit, at most 39.
    """
    name = "\0".join(parts)
    if root == ANY_ROOT:
        return f"{root}.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    return f"{root}.{number % 10 ** (_LONGEST - len(root) - 1)}"


def is_uid(text: str) -> bool:
    """Whether this may be a UID: digits and dots, at most 64 (PS3.5 9.1).

    Leading zeros of a component, which the standard forbids, occur and do no harm.
    """
    return _UID.fullmatch(text) is not None
