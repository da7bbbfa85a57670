"""One picture in every way of storing it gives the grey levels that an independent reader finds.

The files are written and read back by tifffile and imagecodecs, which share no code with Pillow.
"""

import itertools
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from service.imaging import CorruptImageError, UnsupportedFormatError, decode
from tests.imaging.bare_tiff import bare_tiff
from tests.phantom import phantom

LEVELS = np.asarray(phantom(3, (333, 257)))
WEIGHTS = np.array([0.299, 0.587, 0.114])

Pixels = NDArray[np.unsignedinteger[Any]]


def coloured(levels: Pixels) -> Pixels:
    """Red, green and blue that differ, so that a mixed-up order shows."""
    wide = levels.astype(float)
    rgb = np.stack([wide, wide * 0.8, wide[::-1] * 0.6 + wide * 0.3], axis=-1)
    mixed: Pixels = np.rint(rgb).astype(levels.dtype)
    return mixed


def deep(bits: int) -> Pixels:
    """The phantom in the upper levels of so many bits, with something in each of the lower ones."""
    if bits <= 8:
        return (LEVELS >> (8 - bits)).astype(np.uint8)
    noise = np.random.default_rng(5).integers(0, 1 << (bits - 8), LEVELS.shape)
    return ((LEVELS.astype(np.uint16) << (bits - 8)) + noise).astype(np.uint16)


def with_channels(levels: Pixels, channels: str, bits: int) -> Pixels:
    top = (1 << bits) - 1
    if channels == "grey":
        return levels
    if channels == "grey+alpha":
        return np.stack([levels, np.full_like(levels, top)], axis=-1)
    if channels == "cmyk":
        rgb = coloured(levels)
        return np.concatenate([top - rgb, np.zeros_like(rgb[..., :1])], axis=-1)
    if channels == "rgb":
        return coloured(levels)
    opaque = np.full_like(levels, top)
    return np.concatenate([coloured(levels), opaque[..., None]], axis=-1)


def expected(samples: Pixels, channels: str, bits: int) -> NDArray[np.float64]:
    """Grey levels from 0 to 255 of what the independent reader found."""
    top = (1 << bits) - 1
    wide = samples.astype(float) / top * 255
    if channels == "grey":
        return wide
    if channels == "grey+alpha":
        return wide[..., 0]
    if channels == "cmyk":
        wide = (255 - wide[..., :3]) * (255 - wide[..., 3:]) / 255
    return np.asarray(wide[..., :3] @ WEIGHTS)


def packed_rows(samples: Pixels, bits: int) -> bytes:
    """Samples one after the other without gaps, each row from a byte of its own."""
    shifts = np.arange(bits - 1, -1, -1, dtype=samples.dtype)
    parts = (samples[..., None] >> shifts & 1).astype(np.uint8)
    return np.packbits(parts.reshape(len(samples), -1), axis=-1).tobytes()


PHOTOMETRIC = {
    "grey": "minisblack",
    "grey+alpha": "minisblack",
    "rgb": "rgb",
    "rgba": "rgb",
    "cmyk": "separated",
}


def tiffs() -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Channels, bits and tifffile's options of TIFFs that are read."""
    for channels, bits, order in itertools.product(PHOTOMETRIC, (8, 16), "<>"):
        planes = ["contig", "separate"] if channels != "grey" else ["contig"]
        for planar in planes:
            name = f"{channels} {bits} {order} {planar}"
            base: dict[str, Any] = {"photometric": PHOTOMETRIC[channels], "byteorder": order}
            if channels != "grey":
                base["planarconfig"] = planar
            if channels in {"grey+alpha", "rgba"}:
                base["extrasamples"] = ["unassalpha"]
            yield name, channels, bits, base
            yield f"{name} big", channels, bits, base | {"bigtiff": True}
            for compression in ("zlib", "lzw", "packbits"):
                rows = {"rowsperstrip": 50}
                yield (
                    f"{name} {compression}",
                    channels,
                    bits,
                    base | rows | {"compression": compression},
                )
            yield f"{name} predictor", channels, bits, base | {
                "compression": "zlib", "predictor": 2, "rowsperstrip": 64
            }  # fmt: skip
            yield f"{name} lzw predictor tiled", channels, bits, base | {
                "compression": "lzw", "predictor": 2, "tile": (64, 48)
            }  # fmt: skip
            yield f"{name} tiled", channels, bits, base | {"tile": (64, 80)}


TIFFS = {name: (channels, bits, options) for name, channels, bits, options in tiffs()}


def written(samples: NDArray[Any], *, planar: bool = False, **options: Any) -> bytes:
    buffer = BytesIO()
    if planar and samples.ndim == 3:
        samples = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(buffer, samples, metadata=None, **options)
    return buffer.getvalue()


def read_by_tifffile(data: bytes) -> Pixels:
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages[0]
        samples = np.asarray(page.asarray())
        if getattr(page, "planarconfig", 1) == 2 and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
        return samples


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_is_read_as_an_independent_reader_does(name: str) -> None:
    channels, bits, options = TIFFS[name]
    planar = options.get("planarconfig") == "separate"
    data = written(with_channels(deep(bits), channels, bits), planar=planar, **options)
    radiograph = decode(data)
    assert radiograph.format == "TIFF"
    error = radiograph.pixels - expected(read_by_tifffile(data), channels, bits)
    assert np.abs(error).max() <= 1.01


@pytest.mark.parametrize("bits", [1, 2, 4, 9, 10, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_packed_samples_of_any_depth_are_read(bits: int, order: str, photometric: str) -> None:
    packed = packed_rows(deep(bits), bits)
    data = bare_tiff(
        packed,
        LEVELS.shape[::-1],
        bits=bits,
        order=order,
        photometric=0 if photometric == "miniswhite" else 1,
    )
    samples = read_by_tifffile(data)
    assert np.array_equal(samples, deep(bits))
    wanted = expected(samples, "grey", bits)
    error = decode(data).pixels - (255 - wanted if photometric == "miniswhite" else wanted)
    assert np.abs(error).max() <= 1.01


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_black_or_white_is_zero(bits: int, order: str, photometric: str) -> None:
    data = written(deep(bits), photometric=photometric, byteorder=order)
    wanted = expected(read_by_tifffile(data), "grey", bits)
    error = decode(data).pixels - (255 - wanted if photometric == "miniswhite" else wanted)
    assert np.abs(error).max() <= 1.01


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("colours", [8, 16], ids=["8-bit colours", "16-bit colours"])
def test_a_palette_is_looked_up(bits: int, colours: int) -> None:
    ramp = np.rint(np.linspace(255, 0, 1 << bits)).astype(int)
    palette = [int(shade) * (257 if colours == 16 else 1) for shade in [*ramp, *ramp, *ramp]]
    packed = packed_rows(deep(bits), bits)
    data = bare_tiff(packed, LEVELS.shape[::-1], bits=bits, photometric=3, more={320: palette})
    assert np.array_equal(decode(data).pixels, ramp[deep(bits)])


@pytest.mark.parametrize("colour", ["grey", "rgb"])
@pytest.mark.parametrize("tile", [None, (96, 96)])
def test_jpeg_in_tiff(colour: str, tile: tuple[int, int] | None) -> None:
    data = written(
        with_channels(LEVELS, colour, 8),
        photometric=PHOTOMETRIC[colour],
        compression="jpeg",
        compressionargs={"level": 95},
        tile=tile,
    )
    error = decode(data).pixels - expected(read_by_tifffile(data), colour, 8)
    assert np.abs(error).mean() < 1


@pytest.mark.parametrize("tile", [None, (96, 96)])
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_piece_of_a_jpeg_in_tiff_that_breaks_off_is_damaged(
    tile: tuple[int, int] | None, which: int
) -> None:
    data = written(LEVELS, photometric="minisblack", compression="jpeg", tile=tile, rowsperstrip=64)
    with tifffile.TiffFile(BytesIO(data)) as file:
        sizes = file.pages[0].tags[325 if tile else 279]  # type: ignore[union-attr]
    shorter = list(sizes.value)
    shorter[which] //= 2
    code = {3: "H", 4: "I"}[int(sizes.dtype)]
    place, packed = sizes.valueoffset, struct.pack(f"<{len(shorter)}{code}", *shorter)
    with pytest.raises(CorruptImageError):
        decode(data[:place] + packed + data[place + len(packed) :])


def test_bits_in_reverse_are_put_right() -> None:
    reverse = np.packbits(np.unpackbits(LEVELS, axis=-1, bitorder="little"), axis=-1)
    data = bare_tiff(reverse.tobytes(), LEVELS.shape[::-1], more={266: [2]})
    assert np.array_equal(decode(data).pixels, LEVELS)


PNG_CHANNELS = ("grey", "grey+alpha", "rgb", "rgba")


@pytest.mark.parametrize("channels", PNG_CHANNELS)
@pytest.mark.parametrize("bits", range(8, 17))
def test_a_png_of_any_depth_is_as_bright_as_one_of_eight_bits(channels: str, bits: int) -> None:
    samples = with_channels(deep(bits), channels, bits)
    data = bytes(imagecodecs.png_encode(samples))
    wanted = expected(imagecodecs.png_decode(data), channels, bits)
    error = decode(data).pixels - wanted
    assert np.abs(error).max() <= 1.01


@pytest.mark.parametrize("bits", range(9, 17))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", ["grey+alpha", "rgb", "rgba"])
def test_planes_of_any_depth_are_as_bright(channels: str, order: str, bits: int) -> None:
    samples = with_channels(deep(bits), channels, bits)
    extra = {} if channels == "rgb" else {"extrasamples": ["unassalpha"]}
    data = written(
        samples.astype(np.uint16),
        planar=True,
        photometric=PHOTOMETRIC[channels],
        planarconfig="separate",
        byteorder=order,
        **extra,
    )
    error = decode(data).pixels - expected(read_by_tifffile(data), channels, bits)
    assert np.abs(error).max() <= 1.01


@pytest.mark.parametrize("bits", range(8, 17))
def test_a_sixteen_bit_tiff_is_as_bright_as_one_of_eight_bits(bits: int) -> None:
    data = written(deep(bits).astype(np.uint16), photometric="minisblack")
    error = decode(data).pixels - expected(read_by_tifffile(data), "grey", bits)
    assert np.abs(error).max() <= 1.01


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("options", [{}, {"tile": (64, 64), "compression": "lzw", "predictor": 2}])
def test_a_sign_that_no_sample_uses_costs_nobody_their_answer(
    bits: int, options: dict[str, Any]
) -> None:
    data = written(deep(bits).astype(np.int16), photometric="minisblack", **options)
    error = decode(data).pixels - expected(deep(bits), "grey", bits)
    assert np.abs(error).max() <= 1.01


def marked(kind: str, bits: int) -> Pixels:
    """Samples of so many bits with something at 65,535 that is no part of the film."""
    samples = deep(bits).astype(np.uint16)
    if kind == "hot pixels":
        samples[np.random.default_rng(1).random(samples.shape) < 0.001] = 65535
    elif kind == "marker":
        samples[20:60, 20:50] = 65535
    elif kind == "padding":
        samples[:, 260:] = 65535
    elif kind == "smoothed letters":
        rng = np.random.default_rng(2)
        letters = rng.random(samples.shape) < 0.015
        samples[letters] = rng.integers(1 << bits, 65536, letters.sum())
    elif kind == "two paddings":
        samples[:30] = 65535
        samples[-30:] = 65534
    else:
        edge = np.linspace(1 << bits, 65535, 15).astype(np.uint16)
        samples[20:36, 20:35] = edge
    return samples


@pytest.mark.parametrize(
    "kind", ["hot pixels", "marker", "padding", "two paddings", "soft marker", "smoothed letters"]
)
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("file", ["png", "tiff", "rgb png", "rgb tiff"])
def test_what_is_no_part_of_the_film_sets_no_depth(kind: str, bits: int, file: str) -> None:
    samples = marked(kind, bits)
    if file.startswith("rgb"):
        samples = np.stack([samples] * 3, axis=-1)
    data = (
        bytes(imagecodecs.png_encode(samples))
        if file.endswith("png")
        else written(samples, photometric="rgb" if samples.ndim == 3 else "minisblack")
    )
    levels = decode(data).pixels
    plain = samples if samples.ndim == 2 else samples[..., 0]
    film = plain < 1 << bits
    error = levels - plain / ((1 << bits) - 1) * 255
    assert np.abs(error[film]).max() <= 1.01
    assert levels[~film].min() == 255


def test_a_sixteen_bit_picture_with_a_white_background_keeps_its_depth() -> None:
    samples = deep(16)
    samples[:60] = 65535
    error = decode(written(samples, photometric="minisblack")).pixels - samples / 257
    assert np.abs(error).max() <= 1


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "float16": (lambda: written(LEVELS.astype(np.float16)), "floating-point"),
    "float32": (lambda: written(LEVELS.astype(np.float32)), "floating-point"),
    "float64": (lambda: written(LEVELS.astype(np.float64)), "floating-point"),
    "float predictor": (
        lambda: written(LEVELS.astype(np.float32), compression="zlib", predictor=3),
        "floating-point",
    ),
    "int8": (lambda: written((LEVELS // 2).astype(np.int8)), "with a sign"),
    "int16": (lambda: written(LEVELS.astype(np.int16) - 1024), "below 0"),
    "int16 in tiles": (
        lambda: written(LEVELS.astype(np.int16) - 200, tile=(64, 64), compression="zlib"),
        "below 0",
    ),
    "uint32": (lambda: written(LEVELS.astype(np.uint32)), "32 bits"),
    "zstd": (lambda: written(LEVELS, compression="zstd"), "Zstandard"),
    "jpeg 2000": (lambda: written(LEVELS, compression="jpeg2000"), "JPEG 2000"),
    "subsampled YCbCr": (
        lambda: bare_tiff(
            bytes(24 * 24 * 3),
            (24, 24),
            photometric=6,
            samples=3,
            more={530: [2, 2]},
        ),
        "YCbCr",
    ),
    "L*a*b*": (
        lambda: bare_tiff(bytes(64 * 64 * 3), (64, 64), photometric=8, samples=3),
        "L\\*a\\*b\\*",
    ),
    "several channels": (
        lambda: bare_tiff(bytes(64 * 64 * 4), (64, 64), samples=4, more={338: [0, 0, 0]}),
        "several channels",
    ),
    "depths that differ": (
        lambda: bare_tiff(bytes(64 * 64 * 2), (64, 64), bits=(5, 6, 5), photometric=2, samples=3),
        "different depths",
    ),
    "no photometric tag": (
        lambda: bare_tiff(LEVELS.tobytes(), LEVELS.shape[::-1], photometric=None),
        "black or white",
    ),
    "predictor without compression": (
        lambda: bare_tiff(LEVELS.tobytes(), LEVELS.shape[::-1], more={317: [2]}),
        "predictor",
    ),
    "planar JPEG": (
        lambda: written(
            np.moveaxis(coloured(LEVELS), -1, 0),
            photometric="rgb",
            planarconfig="separate",
            compression="jpeg",
        ),
        "plane",
    ),
    "lossless JPEG": (lambda: bytes(imagecodecs.ljpeg_encode(LEVELS)), "lossless JPEG"),
    "JPEG-LS": (lambda: bytes(imagecodecs.jpegls_encode(LEVELS)), "JPEG-LS"),
    "12-bit JPEG": (lambda: bytes(imagecodecs.jpeg_encode(deep(12), bitspersample=12)), "12 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_its_name(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(UnsupportedFormatError, match=words):
        decode(make())


@pytest.mark.parametrize("kind", ["WEBP", "JPEG", "BMP"])
def test_colours_keep_their_order(kind: str) -> None:
    buffer = BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {"quality": 98, "subsampling": 0}
    Image.fromarray(coloured(LEVELS)).save(buffer, kind, **options)
    data = buffer.getvalue()
    readers: dict[str, Callable[[bytes], Pixels]] = {
        "WEBP": imagecodecs.webp_decode,
        "JPEG": imagecodecs.jpeg_decode,
        "BMP": imagecodecs.bmp_decode,
    }
    error = decode(data).pixels - expected(readers[kind](data)[..., :3], "rgb", 8)
    assert np.abs(error).mean() < 0.6
