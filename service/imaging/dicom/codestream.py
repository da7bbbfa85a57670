"""What the bytes of a compressed frame are, whatever the transfer syntax says, and their pixels."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Literal

import numpy as np
from PIL import Image

from service.imaging.containers import jpeg
from service.imaging.dicom.huffman import PIECE_BYTES
from service.imaging.dicom.jpeg_12bit import PRECISION, decode_12bit
from service.imaging.dicom.jpeg_lossless import decode_lossless
from service.imaging.dicom.jpeg_markers import (
    JPEG_LS,
    LOSSLESS,
    Markers,
    jpeg_ls_scan,
    read_markers,
)
from service.imaging.dicom.missing import not_installed
from service.imaging.greyscale import last_level
from service.imaging.layout import DamagedError, Levels, unsupported_pixels

MAX_TILES: Final = 4096
"""Most tiles of a JPEG 2000 picture: each costs memory whatever it holds, and films have few."""

_JPEG: Final = b"\xff\xd8\xff"
_JPEG_2000: Final = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")
_VIDEO: Final = re.compile(rb"\x00\x00\x01|.{4}ftyp", re.DOTALL)
_HUFFMAN_8_BIT: Final = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_LS_SEGMENTS: Final = frozenset({0xF7, 0xF8, 0xDA, 0xDD})  # frame, presets, scan, restarts
_ADOBE_RGB: Final = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""A marker by which decoders know that the components are red, green and blue."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Samples of one frame: those of one component, or colours as Pillow knows them.

    Attributes:
        samples: Shape (rows, columns); a two's complement where samples have a sign.
        picture: In its place, of modes RGB, YCbCr or L.
    """

    samples: Levels | None = None
    picture: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Codestream:
    """A compressed frame as its own header describes it.

    Attributes:
        rows: Of the picture.
        columns: Of the picture.
        components: How many colours.
        precision: Bits of a sample.
        working_bytes: Most memory that decoding takes, the samples included.
        lossy: Whether samples may have become other ones.
        decode: Decodes it.
    """

    rows: int
    columns: int
    components: int
    precision: int
    working_bytes: int
    lossy: bool
    decode: Callable[[], Decoded]


def read_codestream(frame: bytes, *, rgb: bool) -> Codestream | None:
    """Read the header of a frame; None for one that is of no kind known by its first bytes.

    Args:
        frame: All of its fragments.
        rgb: Whether the data set says that its colours are red, green and blue.

    Raises:
        UnsupportedFormatError: A kind that is not read here.
        DamagedError: A header that breaks off.
    """
    if frame.startswith(_JPEG_2000):
        return _jpeg_2000(frame)
    if not frame.startswith(_JPEG):
        if _VIDEO.match(frame):
            raise unsupported_pixels("as a video")
        return None
    markers = read_markers(frame)
    if markers.kind == JPEG_LS:
        return _jpeg_ls(frame, markers)
    if markers.kind == LOSSLESS:
        return _numpy(frame, markers, decode_lossless, lossy=False)
    if markers.precision == 8 and markers.kind in _HUFFMAN_8_BIT:
        return _jpeg_8_bit(frame, markers, rgb=rgb)
    if markers.kind in {0xC0, 0xC1} and markers.precision == PRECISION:
        return _numpy(frame, markers, decode_12bit, lossy=True)
    raise unsupported_pixels(f"as a rare kind of JPEG of {markers.precision} bits")


def _numpy(
    frame: bytes,
    markers: Markers,
    decode: Callable[[bytes, Markers], Levels],
    *,
    lossy: bool,
) -> Codestream:
    if markers.components != 1:
        raise unsupported_pixels("as colours in lossless or 12-bit JPEG")
    pixels = markers.rows * markers.columns
    return Codestream(
        rows=markers.rows,
        columns=markers.columns,
        components=1,
        precision=markers.precision,
        working_bytes=4 * pixels + PIECE_BYTES,
        lossy=lossy,
        decode=lambda: Decoded(samples=decode(frame, markers)),
    )


def _jpeg_8_bit(frame: bytes, markers: Markers, *, rgb: bool) -> Codestream:
    layout = jpeg.read_layout(frame)

    def decode() -> Decoded:
        pictures = [_pillow(_marked(file, rgb=rgb), "JPEG") for file in layout.variants()]
        doubts = layout.doubts(last_level(pictures[0]))
        pictures += [_pillow(_marked(file, rgb=rgb), "JPEG") for file in doubts]
        if any(picture.tobytes() != pictures[0].tobytes() for picture in pictures[1:]):
            raise DamagedError("a picture that breaks off")
        return _as_decoded(pictures[0])

    return Codestream(
        rows=markers.rows,
        columns=markers.columns,
        components=markers.components,
        precision=8,
        working_bytes=layout.working_bytes + markers.rows * markers.columns * 4,
        lossy=True,
        decode=decode,
    )


def _marked(file: bytes, *, rgb: bool) -> bytes:
    return file[:2] + _ADOBE_RGB + file[2:] if rgb else file


def _jpeg_ls(frame: bytes, markers: Markers) -> Codestream:
    if markers.components != 1 or not 2 <= markers.precision <= 16:
        raise unsupported_pixels("as colours in JPEG-LS")

    def decode() -> Decoded:
        try:
            import jpeg_ls
        except ImportError:
            raise not_installed("The pixels are JPEG-LS, decoded by pyjpegls") from None
        # CharLS believes the size in a SPIFF header, which nothing here has checked, and of a file
        # without its end it reads on for seconds.
        decoded, _ = jpeg_ls.decode_buffer(jpeg_ls_scan(frame, markers, _JPEG_LS_SEGMENTS))
        samples: Levels = np.frombuffer(decoded, np.uint8 if markers.precision <= 8 else "<u2")
        return Decoded(samples=samples.reshape(markers.rows, markers.columns))

    pixels = markers.rows * markers.columns
    return Codestream(
        rows=markers.rows,
        columns=markers.columns,
        components=1,
        precision=markers.precision,
        working_bytes=4 * pixels,
        lossy=markers.scan[-3] > 0,  # how far a sample may be from what it was
        decode=decode,
    )


def _jpeg_2000(frame: bytes) -> Codestream:
    """Read the size segment of a JPEG 2000 codestream (ITU-T T.800, A.5.1)."""
    start = frame.find(b"\xff\x4f\xff\x51")
    if start < 0:
        raise DamagedError("JPEG 2000 without a codestream")
    stream = frame[start:]
    _, right, bottom, left, top, tile_x, tile_y, tile_left, tile_top, components = (
        struct.unpack_from(">H8IH", stream, 6)
    )
    columns, rows = right - left, bottom - top
    depths = {stream[42 + 3 * number] for number in range(min(components, 4))}
    if columns <= 0 or rows <= 0 or not tile_x or not tile_y:
        raise DamagedError("JPEG 2000 of no size")
    if components not in {1, 3} or len(depths) != 1:
        raise unsupported_pixels(f"as JPEG 2000 of {components} components")
    tiles = -(-(right - tile_left) // tile_x) * -(-(bottom - tile_top) // tile_y)
    [depth] = depths
    precision, signed = (depth & 0x7F) + 1, bool(depth & 0x80)
    if tiles > MAX_TILES:
        raise unsupported_pixels(f"as JPEG 2000 in {tiles} tiles")
    if precision > 16 or (components == 3 and (precision != 8 or signed)):
        raise unsupported_pixels(f"as JPEG 2000 of {precision} bits")

    def decode() -> Decoded:
        picture = _pillow(stream, "JPEG2000")
        if components == 3:
            return _as_decoded(picture)
        # Pillow lifts samples with a sign above zero and fills 8 or 16 bits.
        levels = np.asarray(picture).astype(np.uint16, copy=False)
        levels = levels >> np.uint16((16 if precision > 8 else 8) - precision)
        sign = np.uint16(1 << (precision - 1))
        return Decoded(samples=levels ^ sign if signed else levels)

    return Codestream(
        rows=rows,
        columns=columns,
        components=components,
        precision=precision,
        # OpenJPEG: 4 bytes a sample for the picture, as many for a tile and its wavelets.
        working_bytes=rows * columns * 8 * components,
        lossy=not _is_reversible(stream),
        decode=decode,
    )


def _is_reversible(stream: bytes) -> bool:
    """Whether the wavelets of a JPEG 2000 codestream are those of whole numbers (A.6.1)."""
    at = stream.find(b"\xff\x52")
    return at >= 0 and stream[at + 13 : at + 14] == b"\x01"


def _pillow(file: bytes, kind: Literal["JPEG", "JPEG2000"]) -> Image.Image:
    with Image.open(BytesIO(file), formats=(kind,)) as image:
        image.load()
        return image


def _as_decoded(picture: Image.Image) -> Decoded:
    if picture.mode == "L":
        return Decoded(samples=np.asarray(picture))
    if picture.mode not in {"RGB", "YCbCr"}:
        raise unsupported_pixels(f"in a rare pixel type ({picture.mode})")
    return Decoded(picture=picture)
