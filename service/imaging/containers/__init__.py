"""One reader of headers for each format: bytes to ``Layout``, in little and bounded time.

Pillow reads every piece of metadata that it finds: a text chunk that inflates, an EXIF block whose
65,535 entries each point at the same 40 MB, a comment by the million. None of it can change a
pixel, so Pillow is never shown any: these readers check what the pixels need, bound it, and leave
the rest out. Broken metadata around sound pixels therefore costs nobody their answer.
"""

from collections.abc import Callable, Mapping
from typing import Final

from service.imaging.containers import avif, bmp, jpeg, jpeg2000, png, tiff, webp
from service.imaging.dicom import read_layout as read_dicom
from service.imaging.layout import Layout

READERS: Final[Mapping[str, Callable[[bytes], Layout]]] = {
    "JPEG": jpeg.read_layout,
    "PNG": png.read_layout,
    "WEBP": webp.read_layout,
    "BMP": bmp.read_layout,
    "TIFF": tiff.read_layout,
    "JPEG2000": jpeg2000.read_layout,
    "AVIF": avif.read_layout,
    "DICOM": read_dicom,
}
"""By the names of ``formats.FORMATS``. Each raises DamagedError, ``struct.error`` or
UnsupportedFormatError."""
