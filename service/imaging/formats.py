"""Which image formats are read, recognised by their first bytes and never by a file's name."""

import re
from typing import Final

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF", "DICOM")
"""Names of the formats that are read, Pillow's where it reads them. No other decoder is ever tried
on a file."""

WRITTEN: Final = {"WEBP": "WebP", "JPEG2000": "JPEG 2000"}
"""How people write the names that are written otherwise."""

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_PATTERNS: Final = tuple(
    (re.compile(start, re.DOTALL), name)
    for start, name in (
        (rb"RIFF.{4}WEBP", "WEBP"),
        # Before TIFF: the preamble may be that of a TIFF, for viewers that know no DICOM.
        (rb".{128}DICM", "DICOM"),
        # The first element, of group 2 or 8, of a data set without its preamble.
        (rb"[\x02\x08]\x00.\x00(?:[A-Z]{2}..|..\x00\x00)|\x00[\x02\x08]\x00.[A-Z]{2}", "DICOM"),
        (rb"II[*+]\x00|MM\x00[*+]", "TIFF"),
        # By its brand, or by one of those that it is compatible with.
        (rb".{4}ftyp(?:avi[fs]|(?:mif1|msf1|miaf).{4}(?:.{4}){0,9}?avi[fs])", "AVIF"),
        # Some writers leave stray bytes before the first segment.
        (rb"\xff\xd8[^\xff]{1,120}\xff[\xc0-\xfe]", "JPEG"),
    )
)
_BMP_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

SIGNATURE_BYTES: Final = 132
"""How many of a file's first bytes tell its format."""


def sniff_format(data: bytes) -> str | None:
    """Name the format that the first bytes declare, or None for any other file.

    A file that breaks off right after its signature is still one of that format: it is reported
    as damaged, which helps its sender more than "unknown format" does.
    """
    for start, name in _SIGNATURES:
        if data.startswith(start):
            return name
    for pattern, name in _PATTERNS:
        if pattern.match(data):
            return name
    # Two letters are too weak a signature: plain text may begin with them.
    is_bmp = data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES
    return "BMP" if is_bmp else None
