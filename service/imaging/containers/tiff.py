"""TIFF 6.0: what the picture's directory says, and the ways of storing pixels that are read.

Pillow knows a list of combinations of tags; what is near one of them but not in it (16-bit planes,
signed bytes, a predictor's second channel) it may read as something else, without an error. So it
is only used to decompress. The samples are put together from their bytes in ``tiff_samples``, and
each combination that is not read is refused by its name.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from service.imaging.containers import tiff_directory as tags
from service.imaging.containers.tiff_chunks import Chunks, mini_tiff
from service.imaging.containers.tiff_directory import Directory, main_directory
from service.imaging.containers.tiff_samples import Pixels
from service.imaging.errors import UnsupportedFormatError
from service.imaging.layout import Layout, unsupported_pixels

MAX_SAMPLES: Final = 8

_NONE, _LZW, _JPEG, _DEFLATE, _PACK_BITS, _OLD_DEFLATE = 1, 5, 7, 8, 32773, 32946
_JPEG_END: Final = b"\xff\xd9"
_PADDING: Final = 16
"""Most bytes that writers leave after it."""

_FAX: Final = frozenset({2, 3, 4})
_BYTEWISE: Final = frozenset({_NONE, _LZW, _DEFLATE, _PACK_BITS, _OLD_DEFLATE})
_PREDICTED: Final = frozenset({_LZW, _DEFLATE, _OLD_DEFLATE})
_COMPRESSIONS: Final = {
    6: "the old form of JPEG in TIFF",
    34712: "JPEG 2000 in TIFF",
    34887: "LERC compression",
    34925: "LZMA compression",
    50000: "Zstandard compression",
    50001: "WebP in TIFF",
}

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOUR_NAMES: Final[Mapping[int, Literal["grey", "rgb", "cmyk", "palette"]]] = {
    _WHITE_IS_ZERO: "grey",
    _BLACK_IS_ZERO: "grey",
    _RGB: "rgb",
    _PALETTE: "palette",
    _CMYK: "cmyk",
}
_COLOURS: Final = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4}
"""Samples of a pixel without the extra ones."""

_OTHER_COLOURS: Final = {
    4: "as a mask",
    _YCBCR: "as YCbCr without JPEG compression",
    8: "as CIE L*a*b*",
    9: "as ICC L*a*b*",
    10: "as ITU L*a*b*",
    32803: "as a camera's raw mosaic",
    32844: "as logarithms",
    32845: "as logarithms",
    34892: "as a camera's raw data",
}
_UNSIGNED, _SIGNED, _FLOAT, _UNDEFINED = 1, 2, 3, 4


def read_layout(data: bytes) -> Layout:
    """Find the picture among the directories and check it.

    Raises:
        UnsupportedFormatError: A way of storing pixels that is not read.
        DamagedError: Directories, strips or tiles that cannot make up a picture.
    """
    directory, several = main_directory(data)
    width, height = directory.size
    if several or not width * height:
        return Layout(width, height, working_bytes=0, pieces=(), several=several)
    compression = directory.one(tags.COMPRESSION, _NONE)
    samples, bits = _samples_and_bits(directory)
    chunks = Chunks(directory, samples=samples, bits=bits, uncompressed=compression == _NONE)
    orientation = directory.one(tags.ORIENTATION, 1)
    turned = orientation if 1 <= orientation <= 8 else 1
    complete = chunks.fit(len(data)) and (compression != _JPEG or _are_ended(chunks, data))
    if compression in _BYTEWISE:
        pixels = _pixels(directory, chunks, compression)
        return Layout(
            width,
            height,
            working_bytes=pixels.working_bytes(),
            pieces=(),
            orientation=turned,
            complete=complete,
            read_samples=lambda: pixels.read(data),
        )
    return Layout(
        width,
        height,
        working_bytes=width * height * (1 if samples == 1 else 4) + chunks.largest_bytes(),
        pieces=[_for_pillow(directory, chunks, data)] if complete else (),
        orientation=turned,
        complete=complete,
    )


def _samples_and_bits(directory: Directory) -> tuple[int, int]:
    """Samples of a pixel and bits of a sample, of whole numbers."""
    samples = directory.one(tags.SAMPLES, 1)
    if not 1 <= samples <= MAX_SAMPLES:
        raise unsupported_pixels(f"{samples} samples a pixel")
    formats = _sample_formats(directory)
    if _FLOAT in formats:
        raise unsupported_pixels(
            "as floating-point numbers, of which no tag says what is black and what is white"
        )
    if formats not in ({_UNSIGNED}, {_SIGNED}):
        raise unsupported_pixels("as numbers of an unknown kind")
    depths = set((directory.tags.get(tags.BITS) or (1,))[:samples])
    [bits] = depths if len(depths) == 1 else (0,)
    if not 1 <= bits <= 16:
        raise unsupported_pixels(
            f"{bits} bits a sample" if bits else "with samples of different depths"
        )
    return samples, bits


def _sample_formats(directory: Directory) -> set[int]:
    return set(directory.tags.get(tags.SAMPLE_FORMAT, ())) - {_UNDEFINED} or {_UNSIGNED}


def _pixels(directory: Directory, chunks: Chunks, compression: int) -> Pixels:
    """What the samples mean, of a picture whose decompressed bytes are its samples."""
    photometric = _photometric(directory)
    if photometric not in _COLOURS:
        raise unsupported_pixels(_OTHER_COLOURS.get(photometric, "in an unknown colour space"))
    extras = _extra_samples(directory, chunks.samples - _COLOURS[photometric])
    signed = _SIGNED in _sample_formats(directory)
    if signed and chunks.bits <= 8:
        raise _below_zero()
    if photometric == _CMYK and directory.one(tags.INK_SET, 1) != 1:
        raise unsupported_pixels("as inks other than CMYK")
    if photometric == _PALETTE and (chunks.bits > 8 or tags.PALETTE not in directory.tags):
        raise unsupported_pixels("as a palette that is missing or too large")
    if photometric <= _BLACK_IS_ZERO and len(extras) > 1:
        raise unsupported_pixels("as grey with several channels more")
    predictor = directory.one(tags.PREDICTOR, 1)
    if predictor not in {1, 2} or (
        predictor == 2 and (chunks.bits not in {8, 16} or compression not in _PREDICTED)
    ):
        raise unsupported_pixels("with a predictor that does not suit its samples")
    return Pixels(
        chunks,
        compression=compression,
        order=directory.order,
        fill_order=directory.one(tags.FILL_ORDER, 1),
        predicted=predictor == 2,
        signed=signed,
        colour=_COLOUR_NAMES[photometric],
        white_is_zero=photometric == _WHITE_IS_ZERO,
        palette=directory.tags.get(tags.PALETTE, ()),
        # Colours that were multiplied by the opacity already stand over black.
        opacity_at=_COLOURS[photometric] if extras[:1] == (2,) else None,
    )


def _photometric(directory: Directory) -> int:
    photometric = directory.one(tags.PHOTOMETRIC, -1)
    if photometric < 0:
        raise unsupported_pixels("without saying whether 0 is black or white")
    return photometric


def _extra_samples(directory: Directory, number: int) -> tuple[int, ...]:
    """What each sample beyond the colours is: 0 unknown, 1 or 2 opacity; without a tag, opacity."""
    if number < 0:
        raise unsupported_pixels("with fewer samples than its colours have")
    extras = directory.tags.get(tags.EXTRA_SAMPLES, ())
    return (*extras, *(() if extras else (2,)), *[0] * number)[:number]


def _for_pillow(directory: Directory, chunks: Chunks, data: bytes) -> bytes:
    """A classic TIFF of this picture alone, of a kind whose decoding is left to Pillow.

    Raises:
        UnsupportedFormatError: Another kind.
    """
    compression = directory.one(tags.COMPRESSION, _NONE)
    photometric = _photometric(directory)
    if _SIGNED in _sample_formats(directory):
        raise _below_zero()
    kept: dict[int, Sequence[int]] = {
        tag: directory.tags[tag]
        for tag in (tags.FILL_ORDER, tags.T4_OPTIONS, tags.T6_OPTIONS, tags.SUBSAMPLING)
        if tag in directory.tags
    }
    if compression == _JPEG:
        _check_jpeg(photometric, chunks)
    elif compression in _FAX:
        if (chunks.samples, chunks.bits) != (1, 1) or photometric > _BLACK_IS_ZERO:
            raise unsupported_pixels("fax compression of more than black and white")
    else:
        raise unsupported_pixels(
            _COMPRESSIONS.get(compression, f"a rare compression (TIFF code {compression})")
        )
    own: Mapping[int, Sequence[int]] = {
        tags.WIDTH: [directory.size[0]],
        tags.HEIGHT: [directory.size[1]],
        tags.BITS: [chunks.bits] * chunks.samples,
        tags.COMPRESSION: [compression],
        tags.PHOTOMETRIC: [photometric],
        tags.SAMPLES: [chunks.samples],
    }
    tables = struct.pack(
        f"{len(directory.tags.get(tags.JPEG_TABLES, ()))}B",
        *directory.tags.get(tags.JPEG_TABLES, ()),
    )
    return mini_tiff({**kept, **own}, chunks, range(len(chunks.offsets)), data, tables)


def _are_ended(chunks: Chunks, data: bytes) -> bool:
    """Whether each strip or tile ends as a JPEG does: what one lacks would be read as grey."""
    ends = (at + size for at, size in zip(chunks.offsets, chunks.sizes, strict=True))
    return all(_JPEG_END in data[max(0, end - _PADDING) : end] for end in ends)


def _below_zero() -> UnsupportedFormatError:
    return unsupported_pixels("as numbers with a sign, whose black and white no tag gives")


def _check_jpeg(photometric: int, chunks: Chunks) -> None:
    known = {(1, _WHITE_IS_ZERO), (1, _BLACK_IS_ZERO), (3, _RGB), (3, _YCBCR)}
    if (chunks.samples, photometric) not in known or chunks.bits != 8:
        raise unsupported_pixels("JPEG in TIFF of more than 8 bits or other colours than RGB")
    if chunks.planes > 1:
        raise unsupported_pixels("JPEG in TIFF with a plane for each colour")
