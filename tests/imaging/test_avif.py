"""AVIF, compared with an independent reader; its container taken apart, damaged and inflated."""

import contextlib
import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from service.imaging import (
    CorruptImageError,
    ImagingError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    decode,
)
from service.imaging.containers import READERS
from service.imaging.containers.av1 import read_sequence
from service.imaging.containers.boxes import boxes
from service.imaging.containers.heif import read_items
from service.imaging.containers.heif_writer import NewItem, write_avif
from tests.phantom import phantom

SIZE = (333, 257)
PICTURE = phantom(3, SIZE)
LEVELS = np.asarray(PICTURE)


def by_pillow(picture: Image.Image, **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "AVIF", **{"speed": 10, "quality": 95} | options)
    return buffer.getvalue()


def deep(bits: int) -> NDArray[Any]:
    wide = np.rint(LEVELS * (((1 << bits) - 1) / 255))
    return wide.astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_every_depth_is_read_as_an_independent_reader_does(bits: int, channels: int) -> None:
    samples = deep(bits)
    if channels > 1:
        opaque = [np.full_like(samples, (1 << bits) - 1)] * (channels - 3)
        samples = np.stack([samples, samples // 2, samples // 3, *opaque], axis=-1)
    data = bytes(imagecodecs.avif_encode(samples, bitspersample=bits, speed=10))
    wanted = imagecodecs.avif_decode(data) / ((1 << bits) - 1) * 255
    if channels > 1:
        wanted = wanted[..., :3] @ [0.299, 0.587, 0.114]
    radiograph = decode(data)
    assert radiograph.format == "AVIF"
    assert np.abs(radiograph.pixels - wanted).max() <= 2
    assert (radiograph.chroma > 10) == (channels > 1)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:2:0"},
        {"subsampling": "4:4:4"},
        {"range": "limited"},
        {"tile_rows": 1, "tile_cols": 1},
        {"save_all": True},
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_what_pillow_writes(mode: str, options: dict[str, Any]) -> None:
    error = decode(by_pillow(PICTURE.convert(mode), **options)).pixels - LEVELS.astype(int)
    assert np.abs(error).mean() < 2


@pytest.mark.parametrize("shade", [0, 90])
def test_opacity_that_is_the_same_everywhere_hides_nothing(shade: int) -> None:
    picture = PICTURE.convert("RGBA")
    picture.putalpha(shade)
    error = decode(by_pillow(picture)).pixels - LEVELS.astype(int)
    assert np.abs(error).mean() < 2


def test_what_is_transparent_becomes_black() -> None:
    picture = PICTURE.convert("RGBA")
    hidden = Image.new("L", SIZE, 255)
    hidden.paste(0, (0, 0, 333, 100))
    picture.putalpha(hidden)
    assert decode(by_pillow(picture)).pixels[:90].max() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_container_says_how_it_is_turned(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(LEVELS)
    # Pillow writes the orientation as properties of the picture, and of EXIF nothing.
    data = by_pillow(stored, exif=exif.tobytes())
    assert (b"irot" in data or b"imir" in data) == (orientation > 1)
    buffer = BytesIO()
    stored.save(buffer, "PNG", exif=exif.tobytes())
    error = decode(data).pixels - decode(buffer.getvalue()).pixels.astype(int)
    assert np.abs(error).mean() < 2


def parts(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Properties and AV1 stream of a file's picture."""
    items = read_items(dict(boxes(data))[b"meta"], data)
    item = items.numbered[items.primary]
    return [(kind, bytes(content)) for kind, content in item.properties], items.content(item)


def rewritten(*items: NewItem) -> bytes:
    return b"".join(write_avif(items))


def test_an_exif_block_alone_turns_nothing() -> None:
    """The format's standard gives an EXIF orientation no say."""
    properties, stream = parts(by_pillow(PICTURE))
    block = (
        b"\x00\x00\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06"
    )
    exif = NewItem(b"Exif", [], block + bytes(6), [(b"cdsc", [1])])
    data = rewritten(NewItem(b"av01", properties, stream), exif)
    assert decode(data).pixels.shape == LEVELS.shape
    assert b"Exif" not in b"".join(READERS["AVIF"](data).pieces)


def grid(tiles: Sequence[tuple[list[tuple[bytes, bytes]], bytes]], size: tuple[int, int]) -> bytes:
    """Four tiles, two by two."""
    whole = [(b"ispe", struct.pack(">4xII", *size)), *tiles[0][0][1:]]
    described = struct.pack(">BBBBHH", 0, 0, 1, 1, *size)
    numbers = range(2, 2 + len(tiles))
    return rewritten(
        NewItem(b"grid", whole, described, [(b"dimg", numbers)]),
        *(NewItem(b"av01", properties, stream) for properties, stream in tiles),
    )


TILES = [(left, top) for top in (0, 128) for left in (0, 128)]


@pytest.mark.parametrize("size", [(256, 256), (240, 200)])
def test_a_grid_is_put_together(size: tuple[int, int]) -> None:
    picture = phantom(3, (256, 256))
    tiles = [
        parts(by_pillow(picture.crop((left, top, left + 128, top + 128)))) for left, top in TILES
    ]
    error = decode(grid(tiles, size)).pixels - np.asarray(picture, dtype=int)[: size[1], : size[0]]
    assert np.abs(error).mean() < 2


def test_a_grid_with_gaps_is_damaged() -> None:
    tiles = [parts(by_pillow(phantom(3, (128, 128))))] * 4
    for wrong in (grid(tiles[:3], (256, 256)), grid(tiles, (300, 256)), grid(tiles, (128, 128))):
        with pytest.raises(CorruptImageError):
            decode(wrong)


def test_an_animation_is_several() -> None:
    with pytest.raises(SeveralFramesError):
        decode(by_pillow(PICTURE, save_all=True, append_images=[PICTURE.rotate(5)]))


def test_another_codec_in_the_same_container_is_not_called_damaged() -> None:
    properties, stream = parts(by_pillow(PICTURE))
    with pytest.raises(UnsupportedFormatError, match="another way than AV1"):
        decode(rewritten(NewItem(b"hvc1", properties, stream)))


@pytest.mark.parametrize("brand", [b"mif1", b"msf1", b"miaf"])
def test_a_general_brand_is_recognised_by_the_compatible_ones(brand: bytes) -> None:
    data = by_pillow(PICTURE)
    assert np.array_equal(decode(data[:8] + brand + data[12:]).pixels, decode(data).pixels)


def test_without_pillows_decoder_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = by_pillow(PICTURE)
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(UnsupportedFormatError, match="an AVIF image, which the installed Pillow"):
        decode(data)


class TestLimits:
    def test_a_large_picture_is_refused(self) -> None:
        with pytest.raises(TooManyPixelsError, match="333 x 257 pixels"):
            decode(by_pillow(PICTURE), max_pixels=85_000)

    @pytest.mark.parametrize("announced", [(64, 64), (333, 256), (334, 257)])
    def test_the_stream_counts_not_the_container(self, announced: tuple[int, int]) -> None:
        properties, stream = parts(by_pillow(PICTURE))
        properties = [(b"ispe", struct.pack(">4xII", *announced)), *properties[1:]]
        with pytest.raises(CorruptImageError):
            decode(rewritten(NewItem(b"av01", properties, stream)))

    def test_a_still_picture_has_few_frames(self) -> None:
        properties, stream = parts(by_pillow(PICTURE))
        with pytest.raises(CorruptImageError):
            decode(rewritten(NewItem(b"av01", properties, stream * 40)))

    @pytest.mark.parametrize("unit", [b"\x12\x00", b"\x0a\x00", b"\x7a\x00"])
    def test_a_stream_of_a_million_units_is_given_up(self, unit: bytes) -> None:
        properties, stream = parts(by_pillow(PICTURE))
        with pytest.raises(CorruptImageError):
            decode(rewritten(NewItem(b"av01", properties, unit * 1_000_000 + stream)))

    def test_a_grid_of_many_tiles_is_refused(self) -> None:
        properties, stream = parts(by_pillow(phantom(3, (64, 64))))
        described = struct.pack(">BBBBHH", 0, 0, 9, 9, 640, 640)
        whole = [(b"ispe", struct.pack(">4xII", 640, 640)), *properties[1:]]
        tiles = [NewItem(b"av01", properties, stream)] * 100
        with pytest.raises(UnsupportedFormatError, match="100 pictures"):
            decode(
                rewritten(NewItem(b"grid", whole, described, [(b"dimg", range(2, 102))]), *tiles)
            )


def test_headers_of_streams_that_are_no_still_pictures() -> None:
    """An animation's header is of the long kind, with timing and levels."""
    data = by_pillow(PICTURE, save_all=True, append_images=[PICTURE.rotate(5)])
    _, stream = parts(data)
    sequence = read_sequence(stream)
    assert (sequence.width, sequence.height, sequence.monochrome) == (*SIZE, True)
    assert sequence.frame_pixels == 512 * 512


def test_every_truncated_prefix_is_refused() -> None:
    data = by_pillow(phantom(3, (64, 64)))
    for length in range(12, len(data), 5):
        with pytest.raises(ImagingError):
            decode(data[:length])


def test_damage_is_refused_or_read_as_a_picture_of_its_size() -> None:
    data = by_pillow(phantom(3, (64, 64)), xmp=b"<x/>")
    rng = np.random.default_rng(4)
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 6)):
            damaged[at] = rng.integers(0, 256)
        with contextlib.suppress(ImagingError):
            assert decode(bytes(damaged)).width == 64
