"""Bytes to Radiograph: which files are read, and how each pixel type becomes grey levels."""

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.imaging.errors import (
    CorruptImageError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    UnusableRadiographError,
)
from service.imaging.formats import FORMATS, sniff_format

MAX_PIXELS: Final = 30_000_000
"""Default limit on width x height: above the largest flat-panel detectors, far below a bomb."""

MIN_SIDE: Final = 32
"""Shortest side in pixels under which no lung structure is left to judge."""

MIN_CONTRAST: Final = 1.0
"""Standard deviation, in grey levels of 255, under which a picture counts as blank."""

# The pixel limit is enforced below, for every file and by an error. Pillow's own check warns first,
# and Python's warning state is shared by all threads.
Image.MAX_IMAGE_PIXELS = None

_SIXTEEN_BIT_MODES: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_ALPHA_MODES: Final = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})
_EIGHT_BIT_MODES: Final = frozenset({"L", "RGB", "1", "P", "CMYK", "YCbCr"}) | _ALPHA_MODES
_BAND: Final = 256
"""Rows that are converted at a time."""

_TIFF_PHOTOMETRIC: Final = 262
_TIFF_WHITE_IS_ZERO: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One decoded picture and what its file said.

    Attributes:
        pixels: Shape (height, width), uint8, upright; 0 is black and 255 is white.
        format: Name of the file's format, one of ``FORMATS``.
        sha256: Hexadecimal digest of the bytes received.
    """

    pixels: NDArray[np.uint8]
    format: str
    sha256: str

    @property
    def width(self) -> int:
        """Columns of the upright picture, in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows of the upright picture, in pixels."""
        return int(self.pixels.shape[0])


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Radiograph:
    """Read one radiograph from the bytes of a JPEG, PNG, WebP, BMP or TIFF file.

    The format is taken from the content. Size and number of frames are checked from the headers,
    before any pixel is decoded. The EXIF orientation is applied, transparent areas become black,
    colour becomes luminance (ITU-R 601-2), and 16-bit samples are scaled to 8 bits.

    Args:
        data: The whole file.
        max_pixels: Largest accepted width x height.

    Raises:
        UnsupportedFormatError: Another format, or a pixel type without a defined grey scale.
        CorruptImageError: A truncated or contradictory file.
        TooManyPixelsError: More than ``max_pixels`` pixels.
        SeveralFramesError: An animation, or a file of several pages.
        UnusableRadiographError: A blank picture, or one with a side under ``MIN_SIDE`` pixels.
    """
    declared = sniff_format(data)
    if declared is None:
        raise UnsupportedFormatError(
            "The file is not an image of a format that is read here. Send the radiograph as "
            f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    try:
        with Image.open(BytesIO(data), formats=(declared,)) as image:
            _check_header(image, max_pixels)
            pixels = _grey_levels(image)
    except (UnsupportedFormatError, TooManyPixelsError, SeveralFramesError, MemoryError):
        raise
    except Exception as error:
        # Decoders fail with a dozen exception types (OSError, SyntaxError, struct.error, ...);
        # whichever it is, the file promised an image and did not hold one.
        raise CorruptImageError(
            "The image file is damaged or incomplete. Export or copy it again, then send it anew."
        ) from error
    _check_usable(pixels)
    return Radiograph(pixels=pixels, format=declared, sha256=hashlib.sha256(data).hexdigest())


def _check_header(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The image has {width} x {height} pixels; at most {max_pixels / 1e6:g} million are "
            "accepted. Export it at a lower resolution."
        )
    if _has_several_frames(image):
        raise SeveralFramesError(
            "The file holds more than one picture. Send each radiograph as a file of its own."
        )


def _has_several_frames(image: Image.Image) -> bool:
    directory = getattr(image, "tag_v2", None)
    if directory is not None:
        # Asking Pillow for n_frames walks all directories of a TIFF, however many a file claims.
        return bool(directory.next)
    return getattr(image, "n_frames", 1) > 1


def _grey_levels(image: Image.Image) -> NDArray[np.uint8]:
    white_is_zero = _is_white_zero(image)
    image.load()
    _turn_upright(image)
    if image.mode in _SIXTEEN_BIT_MODES:
        return _from_sixteen_bits(image, invert=white_is_zero)
    if image.mode not in _EIGHT_BIT_MODES:
        raise UnsupportedFormatError(
            "The image stores its pixels in a way that has no defined grey scale. "
            "Export the radiograph as 8-bit or 16-bit greyscale."
        )
    levels = np.empty((image.height, image.width), dtype=np.uint8)
    # Conversions hold several copies of what they convert, of four bytes a pixel: a band at a time,
    # so that the picture itself is the largest thing in memory.
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = _flatten(image.crop((0, top, image.width, bottom)))
        levels[top:bottom] = np.asarray(band)
    return levels


def _turn_upright(image: Image.Image) -> None:
    """Turn the picture in place as its EXIF orientation says."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # noqa: BLE001
        # Damaged metadata around sound pixels: the picture stands as it was stored.
        return


def _flatten(band: Image.Image) -> Image.Image:
    """Convert a piece of any 8-bit or 1-bit picture to mode L, transparency over black."""
    if band.mode == "P":
        band = band.convert("RGBA" if "transparency" in band.info else "RGB")
    if band.mode in _ALPHA_MODES or "transparency" in band.info:
        rgba = band.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        band = Image.alpha_composite(black, rgba).convert("RGB")
    return band.convert("L")


def _is_white_zero(image: Image.Image) -> bool:
    """Tell whether a 16-bit TIFF counts from white; Pillow inverts only samples of 8 bits."""
    directory = getattr(image, "tag_v2", None)
    return directory is not None and directory.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO


def _from_sixteen_bits(image: Image.Image, *, invert: bool) -> NDArray[np.uint8]:
    """Scale samples of 8, 12 or 16 used bits to 8 bits.

    Detectors deliver 12 bits in a 16-bit file and no header says so. The depth is therefore the
    smallest of 8, 12 and 16 bits that holds the brightest sample.
    """
    samples = np.asarray(image).astype(np.uint16, copy=False)
    brightest = int(samples.max())
    full_scale = next(top for top in (0xFF, 0xFFF, 0xFFFF) if brightest <= top)
    # A table of all values needs no temporary array of floats as large as the picture.
    ramp = np.minimum(np.arange(0x10000), full_scale) * (255 / full_scale)
    levels = np.rint(255 - ramp if invert else ramp).astype(np.uint8)
    return levels[samples]


def _check_usable(pixels: NDArray[np.uint8]) -> None:
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        raise UnusableRadiographError(
            f"The image has {width} x {height} pixels, too few to show a chest. "
            f"Send one with at least {MIN_SIDE} pixels on each side."
        )
    if _standard_deviation(pixels) < MIN_CONTRAST:
        raise UnusableRadiographError(
            "The image is blank: it shows one even shade. Check the export and send it anew."
        )


def _standard_deviation(pixels: NDArray[np.uint8]) -> float:
    """Spread of the grey levels, from the histogram: no temporary array of the picture's size."""
    counts = np.asarray(Image.fromarray(pixels).histogram(), dtype=np.float64)
    levels = np.arange(counts.size)
    mean = float(np.average(levels, weights=counts))
    return float(np.sqrt(np.average((levels - mean) ** 2, weights=counts)))
