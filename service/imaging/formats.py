"""Which image formats are read, recognised by their first bytes and never by a file's name."""

from typing import Final

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Pillow's names of the formats that are read. No other decoder is ever tried on a file."""

_BMP_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_TIFF_MAGICS: Final = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def sniff_format(data: bytes) -> str | None:
    """Name the format that the first bytes declare, or None for any other file.

    A file that breaks off right after its signature is still one of that format: it is reported
    as damaged, which helps its sender more than "unknown format" does.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(_TIFF_MAGICS):
        return "TIFF"
    # Two letters are too weak a signature: plain text may begin with them.
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return None
