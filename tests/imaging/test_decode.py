"""Every listed format and pixel type becomes the same upright grey levels; all else is refused."""

import hashlib
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.imaging import (
    CorruptImageError,
    ImagingError,
    InputSpec,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    UnusableRadiographError,
    decode,
    prepare,
)
from service.imaging.formats import FORMATS
from tests.phantom import phantom

ORIENTATION_TAG = 274


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chest(**arguments: Any) -> Image.Image:
    return phantom(3, **arguments)


def levels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"big_tiff": True}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_a_lossless_file_gives_back_its_pixels(kind: str, options: dict[str, Any]) -> None:
    radiograph = decode(encoded(chest(), kind, **options))
    assert radiograph.format == kind
    assert (radiograph.width, radiograph.height) == chest().size
    assert np.array_equal(radiograph.pixels, levels(chest()))


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 95, "progressive": True}])
def test_a_jpeg_stays_close_to_its_pixels(options: dict[str, Any]) -> None:
    radiograph = decode(encoded(chest(), "JPEG", **options))
    assert radiograph.format == "JPEG"
    error = radiograph.pixels.astype(float) - levels(chest())
    assert np.abs(error).mean() < 2


def test_the_digest_is_that_of_the_bytes_received() -> None:
    data = encoded(chest())
    assert decode(data).sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = chest().transpose(undo[orientation]) if orientation in undo else chest()
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    radiograph = decode(encoded(stored, kind, exif=exif, **options))
    assert (radiograph.width, radiograph.height) == chest().size
    error = radiograph.pixels.astype(float) - levels(chest())
    assert np.abs(error).mean() < 4


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK"])
def test_colour_modes_of_a_grey_picture_keep_its_levels(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    source = chest().convert("RGB").convert(mode) if mode == "CMYK" else chest().convert(mode)
    error = decode(encoded(source, kind)).pixels.astype(int) - levels(chest())
    assert np.abs(error).max() <= 1


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    radiograph = decode(encoded(chest().convert("RGB").convert("CMYK"), "JPEG", quality=95))
    assert np.corrcoef(radiograph.pixels.ravel(), levels(chest()).ravel())[0, 1] > 0.99


def test_a_one_bit_picture_becomes_black_and_white() -> None:
    radiograph = decode(encoded(chest().convert("1"), "TIFF", compression="group4"))
    assert set(np.unique(radiograph.pixels)) == {0, 255}


def test_transparent_areas_become_black_whatever_colour_they_hide() -> None:
    picture = Image.merge("LA", (chest(), Image.new("L", chest().size, 255)))
    picture.paste((255, 0), (0, 0, 100, 100))
    radiograph = decode(encoded(picture))
    assert radiograph.pixels[:100, :100].max() == 0
    assert np.array_equal(radiograph.pixels[100:, 100:], levels(chest())[100:, 100:])


def test_a_transparent_palette_entry_becomes_black() -> None:
    picture = chest().convert("P")
    brightest = int(levels(picture).max())
    radiograph = decode(encoded(picture, transparency=brightest))
    assert radiograph.pixels[levels(picture) == brightest].max() == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_give_the_levels_of_eight(kind: str) -> None:
    wide = Image.fromarray(levels(chest()).astype(np.uint16) * 257)
    assert np.array_equal(decode(encoded(wide, kind)).pixels, levels(chest()))


def test_twelve_bits_in_a_sixteen_bit_file_are_not_left_dark() -> None:
    twelve = levels(chest()).astype(np.uint16) * 16 + 15
    error = decode(encoded(Image.fromarray(twelve))).pixels.astype(int) - levels(chest())
    assert np.abs(error).max() <= 1


def test_eight_bits_in_a_sixteen_bit_file_keep_their_levels() -> None:
    narrow = Image.fromarray(levels(chest()).astype(np.uint16))
    assert np.array_equal(decode(encoded(narrow)).pixels, levels(chest()))


def uncompressed_tiff(samples: np.ndarray[Any, Any], photometric: int, order: str) -> bytes:
    """Write a minimal one-strip greyscale TIFF by hand, for what Pillow does not write."""
    height, width = samples.shape
    bits = samples.dtype.itemsize * 8
    strip = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(strip)),
    ]
    directory = struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        packed = struct.pack(
            f"{order}I" if kind == 4 else f"{order}HH", *((value,) if kind == 4 else (value, 0))
        )
        directory += struct.pack(f"{order}HHI", tag, kind, 1) + packed
    directory += struct.pack(f"{order}I", 0)
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    return magic + struct.pack(f"{order}I", 8 + len(strip)) + strip + directory


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_white_is_zero_tiff_is_inverted(dtype: type[np.unsignedinteger[Any]]) -> None:
    step = 257 if dtype is np.uint16 else 1
    inverted = ((255 - levels(chest()).astype(np.uint32)) * step).astype(dtype)
    radiograph = decode(uncompressed_tiff(inverted, photometric=0, order="<"))
    error = radiograph.pixels.astype(int) - levels(chest())
    assert np.abs(error).max() <= 1


def test_a_big_endian_sixteen_bit_tiff_is_read() -> None:
    wide = levels(chest()).astype(np.uint16) * 257
    radiograph = decode(uncompressed_tiff(wide, photometric=1, order=">"))
    assert np.array_equal(radiograph.pixels, levels(chest()))


@pytest.mark.parametrize("kind", [name for name in FORMATS if name != "DICOM"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    data = encoded(chest(), kind)
    with pytest.raises(CorruptImageError):
        decode(data[: max(32, int(len(data) * share))])


def test_a_png_with_a_flipped_byte_is_refused() -> None:
    data = bytearray(encoded(chest()))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(CorruptImageError):
        decode(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM, said the note, is not a bitmap.",
        b"%PDF-1.7 report",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(chest(), "GIF"),
        encoded(chest(), "PPM"),
    ],
    ids=["empty", "text", "pdf", "svg", "gif", "ppm"],
)
def test_other_formats_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="TIFF, JPEG 2000, AVIF or DICOM"):
        decode(data)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_pixel_types_without_a_grey_scale_are_unsupported(mode: str) -> None:
    source = Image.new("LAB", (64, 64)) if mode == "LAB" else chest().convert(mode)
    with pytest.raises(UnsupportedFormatError, match="greyscale"):
        decode(encoded(source, "TIFF"))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    ihdr = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + ihdr + b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"


@pytest.mark.parametrize(("width", "height"), [(30_001, 1_000), (100_000, 100_000)])
def test_too_many_pixels_are_refused_from_the_header(width: int, height: int) -> None:
    with pytest.raises(TooManyPixelsError, match=f"{width} x {height}"):
        decode(png_header(width, height))


def test_the_pixel_limit_is_the_callers() -> None:
    data = encoded(chest(size=(100, 100)))
    assert decode(data, max_pixels=10_000).width == 100
    with pytest.raises(TooManyPixelsError):
        decode(data, max_pixels=9_999)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(kind: str) -> None:
    with pytest.raises(SeveralFramesError):
        decode(encoded(chest(), kind, save_all=True, append_images=[phantom(4)]))


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_picture_is_no_radiograph(shade: int) -> None:
    with pytest.raises(UnusableRadiographError, match="blank"):
        decode(encoded(Image.new("L", (200, 200), shade)))


@pytest.mark.parametrize("share", [0.001, 0.002, 0.003, 0.01])
def test_blank_is_what_deviates_by_less_than_a_grey_level(share: float) -> None:
    bright = np.random.default_rng(0).random((300, 200)) < share
    pixels = np.where(bright, 120, 100).astype(np.uint8)
    assert _is_blank(pixels) == (pixels.std() < 1)


def test_a_picture_is_not_blank_when_only_its_fourth_pixels_are() -> None:
    pixels = np.full((300, 200), 100, np.uint8)
    pixels[:, [column for column in range(200) if column % 4 != 2]] += 20
    assert not _is_blank(pixels)


def test_a_picture_is_blank_when_only_its_fourth_pixels_are_not() -> None:
    pixels = np.full((300, 200), 100, np.uint8)
    pixels[2::4, 2::8] += 4
    assert pixels[2::4, 2::4].std() > 1
    assert _is_blank(pixels)


def _is_blank(pixels: NDArray[np.uint8]) -> bool:
    try:
        decode(encoded(Image.fromarray(pixels)))
    except UnusableRadiographError:
        return True
    return False


def test_a_tiny_picture_is_no_radiograph() -> None:
    with pytest.raises(UnusableRadiographError, match="31 x 200"):
        decode(encoded(chest(size=(31, 200))))


def test_damaged_metadata_does_not_cost_the_picture() -> None:
    data = encoded(chest(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert decode(data).width == chest().width


def test_no_message_names_a_library_or_a_path() -> None:
    for data in (b"x", encoded(chest())[:400], png_header(60_000, 60_000)):
        with pytest.raises(ImagingError) as caught:
            decode(data)
        assert not {"PIL", "Pillow", "/", "\\", "0x"} & set(caught.value.message.split())
        assert caught.value.message.endswith(".")


class TestReduced:
    """A JPEG much larger than it is going to be is decoded at a fraction of its size."""

    @pytest.mark.parametrize(
        ("near", "columns"), [(None, 1601), (401, 1601), (400, 801), (200, 401), (100, 201)]
    )
    def test_never_below_twice_what_is_wanted(self, near: int | None, columns: int) -> None:
        radiograph = decode(encoded(chest(size=(1601, 1600)), "JPEG"), near=near)
        assert radiograph.pixels.shape[1] == columns

    def test_the_size_told_is_that_of_the_file(self) -> None:
        radiograph = decode(encoded(chest(size=(1601, 1600)), "JPEG"), near=100)
        assert (radiograph.width, radiograph.height) == (1601, 1600)

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_the_tensor_stays_the_same_but_for_a_grey_level(self, mode: str) -> None:
        data = encoded(chest(size=(1601, 1403)).convert("RGB").convert(mode), "JPEG", quality=95)
        whole, reduced = (
            prepare(decode(data, near=near), InputSpec(192, 192, scale=1)) for near in (None, 192)
        )
        assert not np.array_equal(whole, reduced)
        assert np.abs(whole - reduced).mean() < 0.5

    def test_other_formats_and_turned_pictures_are_decoded_whole(self) -> None:
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = 6
        large = chest(size=(800, 900))
        for data in (encoded(large, "JPEG", exif=exif), encoded(large)):
            assert decode(data, near=100).full_size is None


def test_a_jpeg_with_a_preview_behind_it_is_its_first_picture() -> None:
    several = encoded(chest(), "MPO", save_all=True, append_images=[phantom(4, (64, 64))])
    assert decode(several).format == "JPEG"
    assert decode(several).width == chest().width
