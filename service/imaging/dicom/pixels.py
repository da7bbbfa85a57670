"""The picture in a DICOM file: what its header promises, checked before a pixel is decoded."""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.chroma import chroma_of
from service.imaging.dicom.codestream import Codestream, Decoded, read_codestream
from service.imaging.dicom.dataset import DataSet, DicomFile, open_file
from service.imaging.dicom.facts import read_facts
from service.imaging.dicom.grey import Rendering, read_rendering
from service.imaging.dicom.kinds import name_kind, no_picture
from service.imaging.dicom.palette import Palette, read_palette
from service.imaging.dicom.rle import decode_rle
from service.imaging.greyscale import from_picture
from service.imaging.layout import DamagedError, Layout, Levels, Samples, unsupported_pixels

MAX_FRAGMENTS: Final = 100_000

_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS = 0x00280010, 0x00280011
_ALLOCATED, _STORED, _HIGH, _SIGN = 0x00280100, 0x00280101, 0x00280102, 0x00280103
_FLOATS: Final = (0x7FE00008, 0x7FE00009)
_ITEM: Final = b"\xfe\xff\x00\xe0"

_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_YCBCR: Final = frozenset({"YBR_FULL", "YBR_FULL_422"})
_COLOURS: Final = frozenset({"RGB", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420"}) | _YCBCR


@dataclass(frozen=True, slots=True)
class Shape:
    """How the samples of a picture are stored (PS3.3, C.7.6.3).

    Attributes:
        rows: Of the picture.
        columns: Of the picture.
        samples: Of a pixel: 1 or 3.
        photometric: What they mean.
        planar: Whether each colour has a plane of its own.
        allocated: Bits that a sample takes: 8 or 16.
        stored: Bits of them that count.
        high: The highest of these.
        signed: Whether they are a two's complement.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    planar: bool
    allocated: int
    stored: int
    high: int
    signed: bool

    @property
    def pixels(self) -> int:
        """Rows x columns."""
        return self.rows * self.columns

    @property
    def native_bytes(self) -> int:
        """What the samples take without compression."""
        if self.photometric == "YBR_FULL_422":
            return self.pixels * 2
        return self.pixels * self.samples * self.allocated // 8


def read_layout(data: bytes) -> Layout:
    """Find the picture in a DICOM file and check what its header says of it.

    Raises:
        UnsupportedFormatError: An object without a still picture, or a way of storing pixels that
            is not read.
        DamagedError: A header that contradicts itself or the file's length.
        TooManyPixelsError: A deflated data set that becomes larger than any film.
    """
    file = open_file(data)
    main = file.main
    kind = name_kind(file)
    if kind is not None and "video" not in kind:
        raise no_picture(kind)
    if any(tag in main for tag in _FLOATS):
        raise unsupported_pixels(
            "as floating-point numbers, of which no tag says what is black and what is white"
        )
    if file.pixel_data is None:
        raise no_picture(kind)
    rows, columns = main.whole(_ROWS), main.whole(_COLUMNS)
    frames = (main.numbers(_FRAMES) or [1.0])[0]
    if frames > 1 or not rows * columns:
        return Layout(columns, rows, working_bytes=0, pieces=(), several=frames > 1)
    if kind is not None:
        raise no_picture(kind)
    return _layout(file, read_shape(main))


def read_shape(main: DataSet) -> Shape:
    """Read how samples are stored.

    Raises:
        UnsupportedFormatError: In a way that is not read here.
        DamagedError: In a way that there is not.
    """
    photometric = main.text(_PHOTOMETRIC)
    samples = main.whole(_SAMPLES, 1)
    allocated = main.whole(_ALLOCATED, 16)
    stored = main.whole(_STORED, allocated)
    high = main.whole(_HIGH, stored - 1)
    grey = photometric in _GREY or photometric == "PALETTE COLOR"
    if not grey and photometric not in _COLOURS:
        raise unsupported_pixels("without a known photometric interpretation")
    if samples != (1 if grey else 3):
        raise unsupported_pixels(f"{samples} samples a pixel")
    if allocated not in {8, 16} or (not grey and (allocated, stored) != (8, 8)):
        raise unsupported_pixels(f"{allocated} bits a sample")
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise DamagedError("bits that do not fit into their sample")
    return Shape(
        rows=main.whole(_ROWS),
        columns=main.whole(_COLUMNS),
        samples=samples,
        photometric=photometric,
        planar=main.whole(_PLANAR) == 1,
        allocated=allocated,
        stored=stored,
        high=high,
        signed=main.whole(_SIGN) == 1,
    )


def _layout(file: DicomFile, shape: Shape) -> Layout:
    main, element = file.main, file.pixel_data
    if element is None:
        raise no_picture(None)
    contents = main.walk.data
    # Tables are cheap and may be broken, which is better known before pixels are decoded.
    shading = _shading(main, shape)
    stream: Codestream | None = None
    if element.length is None:
        frame, complete = _frame(contents, element.value)
        stream = read_codestream(frame, rgb=shape.photometric == "RGB")
        if stream is not None:
            _check_agreement(stream, shape)
        working = stream.working_bytes if stream else shape.native_bytes * 2
    else:
        frame = b""
        complete = element.stop <= len(contents) and element.length >= shape.native_bytes
        working = shape.pixels * (8 if shape.samples == 3 else 4)

    def read() -> Samples:
        if stream is not None:
            decoded = stream.decode()
        elif element.length is None:
            decoded = _of_planes(_unpacked(frame, shape), shape)
        else:
            decoded = _native(contents, element.value, shape, file.main.walk.encoding.order)
        return _shown(decoded, shape, shading, stream)

    return Layout(
        width=shape.columns,
        height=shape.rows,
        working_bytes=working + len(frame) + file.inflated_bytes + 2 * shape.pixels,
        pieces=(),
        complete=complete,
        read_samples=read,
        header=read_facts(main),
    )


def _check_agreement(stream: Codestream, shape: Shape) -> None:
    if (stream.rows, stream.columns, stream.components) != (
        shape.rows,
        shape.columns,
        shape.samples,
    ):
        raise DamagedError("a compressed picture of another size than the header says")
    if stream.components == 1 and stream.precision > shape.allocated:
        raise DamagedError("a compressed picture of more bits than the header says")


def _frame(contents: bytes | memoryview, at: int) -> tuple[bytes, bool]:
    """The fragments of the only frame, and whether they are all there (PS3.5, A.4)."""
    fragments: list[bytes] = []
    for number in range(MAX_FRAGMENTS):
        item = bytes(contents[at : at + 4])
        if item != _ITEM:
            # A file that lost only the mark of the end is still whole.
            return b"".join(fragments), bool(fragments)
        if len(contents) - at < 8:
            return b"", False
        [length] = struct.unpack_from("<I", contents, at + 4)
        at += 8
        if at + length > len(contents):
            return b"", False
        if number > 0:  # the first item holds offsets
            fragments.append(bytes(contents[at : at + length]))
        at += length
    raise DamagedError("too many fragments")


def _unpacked(frame: bytes, shape: Shape) -> NDArray[np.uint8]:
    wide = shape.allocated // 8
    return decode_rle(frame, shape.pixels, shape.samples * wide)


def _of_planes(planes: NDArray[np.uint8], shape: Shape) -> Decoded:
    """Samples whose bytes lie in planes, the high one first."""
    size = shape.rows, shape.columns
    if shape.samples == 3:
        bands = [Image.fromarray(plane.reshape(size)) for plane in planes]
        return Decoded(picture=Image.merge(_mode(shape), bands))
    levels: Levels = planes[-1].reshape(size)
    if len(planes) == 2:
        levels = planes[0].reshape(size).astype(np.uint16) << np.uint16(8) | levels
    return Decoded(samples=levels)


def _native(contents: bytes | memoryview, at: int, shape: Shape, order: str) -> Decoded:
    """Samples that are not compressed."""
    size = shape.rows, shape.columns
    if shape.samples == 1:
        kind = f"{order}u2" if shape.allocated == 16 else "u1"
        levels = np.frombuffer(contents, kind, count=shape.pixels, offset=at)
        return Decoded(samples=levels.reshape(size))
    stored = np.frombuffer(contents, np.uint8, count=shape.native_bytes, offset=at)
    if shape.photometric == "YBR_FULL_422":
        pairs = stored.reshape(-1, 4)  # two of Y, then Cb and Cr of both
        planes = np.empty((3, shape.pixels), dtype=np.uint8)
        planes[0] = pairs[:, :2].ravel()
        planes[1:] = np.repeat(pairs[:, 2:].T, 2, axis=1)
        return _of_planes(planes, shape)
    if shape.planar:
        return _of_planes(stored.reshape(3, -1), shape)
    picture = Image.frombuffer(
        _mode(shape), size[::-1], stored.tobytes(), "raw", _mode(shape), 0, 1
    )
    return Decoded(picture=picture)


def _mode(shape: Shape) -> str:
    return "YCbCr" if shape.photometric in _YCBCR else "RGB"


def _shading(main: DataSet, shape: Shape) -> Rendering | Palette | None:
    """What samples of one component mean; None for colours."""
    if shape.photometric in _GREY:
        return read_rendering(main, shape.stored, signed=shape.signed)
    return read_palette(main) if shape.photometric == "PALETTE COLOR" else None


def _shown(
    decoded: Decoded,
    shape: Shape,
    shading: Rendering | Palette | None,
    stream: Codestream | None,
) -> Samples:
    """The grey levels that a picture shows, and how much colour it has."""
    if decoded.picture is not None:
        levels = np.asarray(from_picture(decoded.picture))
        return Samples(levels, chroma=chroma_of(decoded.picture))
    if decoded.samples is None or shading is None:
        raise DamagedError("other samples than the header says")
    return shading.shown(_only_stored(decoded.samples, shape, stream))


def _only_stored(samples: Levels, shape: Shape, stream: Codestream | None) -> Levels:
    """Samples without what lies in their other bits, such as an overlay."""
    most = np.uint16((1 << shape.stored) - 1)
    levels: NDArray[np.uint16] = samples.astype(np.uint16, copy=False)
    precision = stream.precision if stream else shape.allocated
    if shape.signed and precision < shape.stored:
        sign = np.uint16(1 << (precision - 1))
        levels = (levels ^ sign) - sign  # modulo 65,536
    elif stream and stream.lossy and not shape.signed:
        # What is above came with the loss: cut off, a bright spot would become a black one.
        return np.minimum(levels, most)
    elif precision > shape.stored and shape.high + 1 > shape.stored:
        levels = levels >> np.uint16(shape.high + 1 - shape.stored)
    return levels if most == 0xFFFF else levels & most
