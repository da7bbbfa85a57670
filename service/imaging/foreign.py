"""Names files of formats that are not read, and says what to do with each."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Foreign:
    """A kind of file that is not read.

    Attributes:
        name: What it is, with its article.
        advice: One sentence: what to do with the file; empty if nothing can be done.
    """

    name: str
    advice: str

    @property
    def text_key(self) -> str:
        """Which text says this in another language, for all kinds of which the same is to do."""
        return _TEXT_KEYS.get(self.advice, "detail")


_EXPORT: Final = "Export the radiograph as an image."
_CONVERT: Final = "Save it in another format."
_UNPACK: Final = "Unpack it and send the image inside."
_EXTRACT: Final = "Export the radiograph in it as an image."
_CAMERA: Final = "Convert the photo, or set the camera to its most compatible format."
_STILL: Final = "Save the frame that shows the radiograph as an image."
_NO_ADVICE: Final = ""
_PAGE: Final = "Save the image on it, not the page."
_DECODE: Final = "Decode it and send the bytes of the image."
_TEXT_KEYS: Final = {
    _CAMERA: "photo",
    _UNPACK: "archive",
    _EXTRACT: "document",
    _STILL: "video",
    _CONVERT: "image",
    _EXPORT: "data",
    _DECODE: "encoded",
    _PAGE: "page",
    _NO_ADVICE: "other",
}

_SIGNATURES: Final = (
    (rb".{4}ftyp(?:hei[cxms]|hev[cx]|m[is]f1|miaf)", "a HEIC photo", _CAMERA),
    (rb".{4}ftypcrx ", "a Canon raw photo", _EXPORT),
    (rb".{4}ftypqt  ", "a QuickTime video", _STILL),
    (rb".{4}ftyp", "an MP4 video", _STILL),
    (rb"RIFF.{4}AVI ", "an AVI video", _STILL),
    (rb"RIFF.{4}WAVE", "a sound file", _NO_ADVICE),
    (rb"\x1aE\xdf\xa3", "a Matroska or WebM video", _STILL),
    (rb"%PDF-", "a PDF document", _EXTRACT),
    (rb"GIF8[79]a", "a GIF image", _CONVERT),
    (rb"PK(?:\x03\x04|\x05\x06)", "a ZIP archive or an Office document", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"\x1f\x8b", "a gzip archive", _UNPACK),
    (rb"BZh[1-9]", "a bzip2 archive", _UNPACK),
    (rb"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (rb"\x00{3}\x0cJXL \r\n\x87\n|\xff\x0a", "a JPEG XL image", _CONVERT),
    (rb"II\xbc\x01", "a JPEG XR image", _CONVERT),
    (rb"qoif", "a QOI image", _CONVERT),
    (rb"8BPS", "a Photoshop document", _EXPORT),
    (rb"\x00\x00\x01\x00[^\x00]", "a Windows icon", _CONVERT),
    (rb"v/1\x01", "an OpenEXR image", _CONVERT),
    (rb"SIMPLE  =", "a FITS image", _CONVERT),
    (rb"P[1-7][\s#]", "a Netpbm image", _CONVERT),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _EXPORT),
    (rb"\x93NUMPY", "a NumPy array", _EXPORT),
    (rb"\x5c\x01\x00\x00", "a NIfTI or Analyze volume", _EXPORT),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", _EXTRACT),
    (rb"\{\\rtf", "a rich-text document", _EXTRACT),
    (rb"%!PS", "a PostScript document", _EXTRACT),
    (rb"MZ.{58}|\x7fELF", "a program", _NO_ADVICE),
    (rb"SQLite format 3\x00", "a database", _EXPORT),
    (rb"\x00\x05\x16\x07", "what macOS keeps beside a file", "Send the one without '._'."),
)
_TEXTS: Final = (
    (rb"data:", "a data: URL", _DECODE),
    (rb"<(?:.*<)?svg\b", "an SVG drawing", _CONVERT),
    (rb"<(?:!doctype\s+)?html\b", "a web page", _PAGE),
    (rb"<\?xml\b|<[a-z]", "an XML document", _EXTRACT),
    (rb"[{\[]", "a JSON document", _DECODE),
    (rb"[A-Za-z0-9+/_\r\n-]{64,}={0,2}\s*\Z", "text in Base64", _DECODE),
    (rb".", "a text file", _NO_ADVICE),
)


def _compiled(table: tuple[tuple[bytes, str, str], ...]) -> list[tuple[re.Pattern[bytes], Foreign]]:
    flags = re.DOTALL | (re.IGNORECASE if table is _TEXTS else 0)
    return [(re.compile(start, flags), Foreign(name, advice)) for start, name, advice in table]


_BINARY_PATTERNS: Final = _compiled(_SIGNATURES)
_TEXT_PATTERNS: Final = _compiled(_TEXTS)
_LOOKED_AT: Final = 1024
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x7f]")
"""Control characters that are in no text."""


def name_foreign(data: bytes) -> Foreign | None:
    """Name the kind of a file that ``sniff_format`` does not know; None if it is not known."""
    start = data[:_LOOKED_AT]
    patterns = _BINARY_PATTERNS
    text = _as_text(start)
    if text:
        patterns, start = _BINARY_PATTERNS + _TEXT_PATTERNS, text
    return next((foreign for pattern, foreign in patterns if pattern.match(start)), None)


def _as_text(start: bytes) -> bytes:
    """The beginning of a text in UTF-8, without mark and space; empty where it is no text."""
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(start[:2], "utf-8")
    try:
        text = start.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:
            return b""
        text = start[: error.start].decode(encoding)  # the last letter is cut
    plain = text.removeprefix("\ufeff").lstrip().encode(errors="replace")
    return b"" if _BINARY.search(plain) else plain
