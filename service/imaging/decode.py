"""Bytes to Radiograph: which files are read, and how each pixel type becomes grey levels."""

import hashlib
import itertools
import warnings
from dataclasses import dataclass
from io import BytesIO
from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.chroma import chroma_of, chroma_of_jpeg
from service.imaging.containers import READERS
from service.imaging.errors import (
    CorruptImageError,
    ImagingError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    UnusableRadiographError,
)
from service.imaging.foreign import name_foreign
from service.imaging.formats import FORMATS, WRITTEN, sniff_format
from service.imaging.greyscale import (
    DEEP_MODES,
    EIGHT_BIT_MODES,
    from_deep_picture,
    from_picture,
    from_samples,
    last_level,
)
from service.imaging.header import DicomFacts
from service.imaging.inks import plain_inks
from service.imaging.layout import Layout, unsupported_pixels
from service.imaging.orientation import turn_upright
from service.imaging.quiet import silence_libtiff

MAX_PIXELS: Final = 30_000_000
"""Default limit on width x height: above the largest flat-panel detectors, far below a bomb.

It bounds time too, so that no decode has to be stopped: of all files of this size that are
accepted, a 16-bit RGBA PNG takes longest, 4 seconds of one core, for it is decoded twice.
"""

MAX_SIDE: Final = 32_767
"""Longest side in pixels: several times that of the largest detectors."""

WORKING_BYTES: Final = 200_000_000
"""Most memory that decoding one file may take beside the file itself.

It is known from the headers, so that nothing larger is begun. With the default ``MAX_PIXELS`` it
binds what is stored wastefully: WebP, progressive JPEG without chroma subsampling, colour TIFF in
one compressed strip.
"""

MIN_SIDE: Final = 32
"""Shortest side in pixels under which no lung structure is left to judge."""

MIN_CONTRAST: Final = 1.0
"""Standard deviation, in grey levels of 255, under which a picture counts as blank."""

# The pixel limit is enforced below, for every file and by an error. Pillow's own check warns first.
Image.MAX_IMAGE_PIXELS = None
# What makes a decoder wonder is no sound file. The filter is set once and for all threads, because
# Python's warning state is shared by them and must not change while they run.
warnings.filterwarnings("error", module=r"PIL\.")
silence_libtiff()

_NEAREST: Final = Image.Resampling.NEAREST
_SQUARES: Final = tuple(level**2 for level in range(256))


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One decoded picture and what its file said.

    Attributes:
        picture: Upright, mode L; 0 is black and 255 is white. It has fewer pixels than the file
            where ``decode`` was allowed to reduce them, and nothing of the file's metadata.
        format: Name of the file's format, one of ``FORMATS``.
        sha256: Hexadecimal digest of the bytes received.
        full_size: Width and height of the file's upright picture, where ``picture`` is smaller.
        chroma: Mean distance of the file's colours from grey, in levels of 255: 0 where all is
            grey. Not measured in TIFF and in colours of more than 8 bits, which count as grey.
        header: What the file's header says that bears on a verdict; None but for DICOM.
    """

    picture: Image.Image
    format: str
    sha256: str
    full_size: tuple[int, int] | None = None
    chroma: float = 0.0
    header: DicomFacts | None = None

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """A copy of the grey levels: shape (rows, columns), uint8."""
        return np.array(self.picture)

    @property
    def width(self) -> int:
        """Columns of the file's upright picture, in pixels."""
        return (self.full_size or self.picture.size)[0]

    @property
    def height(self) -> int:
        """Rows of the file's upright picture, in pixels."""
        return (self.full_size or self.picture.size)[1]


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, near: int | None = None) -> Radiograph:
    """Read one radiograph from the bytes of a file in one of the ``FORMATS``.

    The format is taken from the content. Size, number of frames and expected bytes are checked from
    the headers, before any pixel is decoded. The EXIF orientation is applied, transparent areas
    become black, colour becomes luminance (ITU-R 601-2), and 16-bit samples are scaled to 8 bits.
    Other metadata is not read: broken or not, it cannot change a pixel. Of a DICOM file, what maps
    its samples to grey levels is applied, and a few facts are kept in ``header``.

    Args:
        data: The whole file.
        max_pixels: Largest accepted width x height.
        near: How many pixels a side the picture will be shrunk to. A JPEG whose sides are several
            times that is decoded at 1/2, 1/4 or 1/8, which its coefficients allow at a fraction of
            the cost, and never below twice that. Without it every pixel is decoded.

    Raises:
        UnsupportedFormatError: Another format, or a pixel type without a defined grey scale.
        CorruptImageError: A truncated or contradictory file.
        TooManyPixelsError: More than ``max_pixels`` pixels, or more than memory is allowed for.
        SeveralFramesError: An animation, or a file of several pages.
        UnusableRadiographError: A blank picture, or one with a side under ``MIN_SIDE`` pixels.
    """
    declared = sniff_format(data)
    if declared is None:
        raise _foreign(data)
    try:
        layout = READERS[declared](data)
        _check_layout(layout, len(data), max_pixels)
        # Turned when Pillow's picture of the file is gone: both are copies.
        levels, chroma = _grey_levels(layout, declared, near)
        picture = turn_upright(levels, layout.orientation)
        del levels
    except (ImagingError, MemoryError):
        raise
    except Exception as error:
        # Decoders fail with a dozen exception types (OSError, SyntaxError, struct.error, ...);
        # whichever it is, the file promised an image and did not hold one.
        raise _corrupt() from error
    if _is_blank(picture):
        raise UnusableRadiographError(
            "The image is blank: it shows one even shade. Check the export and send it again."
        )
    whole = picture.size == layout.upright_size
    return Radiograph(
        picture=picture,
        format=declared,
        sha256=hashlib.sha256(data).hexdigest(),
        full_size=None if whole else layout.upright_size,
        chroma=chroma,
        header=layout.header,
    )


def _check_layout(layout: Layout, file_bytes: int, max_pixels: int) -> None:
    width, height = layout.upright_size
    pixels = width * height
    if pixels > max_pixels:
        raise _too_many_pixels(width, height, max_pixels)
    if layout.several:
        raise SeveralFramesError(
            "The file holds more than one picture. Send each radiograph as a file of its own."
        )
    if not pixels or not layout.complete:
        raise _corrupt()
    if min(width, height) < MIN_SIDE:
        raise UnusableRadiographError(
            f"The image has {width} x {height} pixels, too few to show a chest. "
            f"Send one with at least {MIN_SIDE} pixels on each side."
        )
    if max(width, height) > MAX_SIDE:
        raise TooManyPixelsError(
            f"The image has {width} x {height} pixels; at most {MAX_SIDE} are accepted on a side. "
            "Export it at a lower resolution."
        )
    if layout.most_pixels is not None and pixels > layout.most_pixels:
        raise _too_wasteful(width, height, layout.most_pixels)
    # The file's copy without metadata, what decoding takes, and the grey levels, turned or not.
    working_bytes = file_bytes + layout.working_bytes + pixels
    if working_bytes > WORKING_BYTES:
        raise _too_wasteful(width, height, pixels * WORKING_BYTES // working_bytes)


def _grey_levels(layout: Layout, declared: str, near: int | None) -> tuple[Image.Image, float]:
    """The picture as it is stored, and its chroma."""
    if layout.read_samples is not None:
        samples = layout.read_samples()
        return from_samples(samples), samples.chroma
    pictures = (_by_pillow(file, layout, declared, near) for file in layout.variants())
    picture, chroma = next(pictures)
    files = layout.doubts(last_level(picture))
    doubts = (_by_pillow(file, layout, declared, near) for file in files)
    others = itertools.chain(pictures, doubts)
    if any(other.tobytes() != picture.tobytes() for other, _ in others):
        raise _corrupt()
    return picture, chroma


def _by_pillow(
    file: bytes, layout: Layout, declared: str, near: int | None
) -> tuple[Image.Image, float]:
    with Image.open(BytesIO(file), formats=(declared,)) as image:
        if image.size != (layout.width, layout.height):
            raise _corrupt()
        if image.mode not in DEEP_MODES | EIGHT_BIT_MODES:
            raise unsupported_pixels(f"in a rare pixel type ({image.mode})")
        chroma = 0.0
        if declared == "JPEG":
            chroma = chroma_of_jpeg(file) if image.mode == "RGB" else 0.0
            # Luminance is one of the colour components that a JPEG stores: the others stay closed.
            # Turned, a reduced picture would have its half-filled edge on another side.
            least = 2 * near if near is not None and layout.orientation == 1 else None
            image.draft("L", None if least is None else (least, least))
        image.load()
        if image.mode in DEEP_MODES:
            return from_deep_picture(image), 0.0
        picture = plain_inks(image) if image.mode == "CMYK" else image
        return from_picture(picture), chroma or chroma_of(picture)


def _is_blank(picture: Image.Image) -> bool:
    # The squares of all deviations add up to no less than those of some pixels from their own mean.
    # So a few pixels can show that a picture is not blank, and nearly always do.
    some = picture.resize((-(-picture.width // 4), -(-picture.height // 4)), _NEAREST)
    share = (some.width * some.height) / (picture.width * picture.height)
    return share * _variance(some) < MIN_CONTRAST**2 and _variance(picture) < MIN_CONTRAST**2


def _variance(picture: Image.Image) -> float:
    """Of the grey levels, from the histogram: no temporary array of the picture's size."""
    counts = picture.histogram()
    pixels = sum(counts)
    first: int = sum(map(mul, counts, range(256)))
    second: int = sum(map(mul, counts, _SQUARES))
    return (pixels * second - first**2) / pixels**2


def _foreign(data: bytes) -> UnsupportedFormatError:
    foreign = name_foreign(data)
    what = (
        "The file is not an image of a format that is read here."
        if foreign is None
        else f"The file is {foreign.name}, which is not read here. {foreign.advice}".rstrip()
    )
    names = [WRITTEN.get(name, name) for name in FORMATS]
    return UnsupportedFormatError(
        f"{what} Send the radiograph as {', '.join(names[:-1])} or {names[-1]}.",
        reason="detail" if foreign is None else foreign.text_key,
    )


def _corrupt() -> CorruptImageError:
    return CorruptImageError(
        "The image file is damaged or incomplete. Export or copy it again, then resend it."
    )


def _too_many_pixels(width: int, height: int, most: int) -> TooManyPixelsError:
    return TooManyPixelsError(
        f"The image has {width} x {height} pixels; at most {most / 1e6:g} million are "
        "accepted. Export it at a lower resolution."
    )


def _too_wasteful(width: int, height: int, most: int) -> TooManyPixelsError:
    return TooManyPixelsError(
        f"The image has {width} x {height} pixels; stored in this way, at most "
        f"{most / 1e6:.1f} million are accepted. Export it as baseline JPEG or greyscale PNG, "
        "or at a lower resolution."
    )
