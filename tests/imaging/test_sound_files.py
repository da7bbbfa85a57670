"""Files that other programs open are read, however unusual their writers were."""

import re
import struct
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from service.imaging import CorruptImageError, SeveralFramesError, decode
from tests.imaging.bare_tiff import bare_tiff
from tests.phantom import phantom

SIZE = (333, 257)
LEVELS = np.asarray(phantom(3, SIZE))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(**options: Any) -> bytes:
    return encoded(Image.fromarray(LEVELS), "JPEG", quality=95, **options)


class TestJpeg:
    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
    @pytest.mark.parametrize("after", [b"", b"\xff", b"\x00" * 512, b"\r\n"])
    def test_without_its_end_marker(self, options: dict[str, Any], after: bytes) -> None:
        whole = jpeg(**options)
        assert np.array_equal(decode(whole[:-2] + after).pixels, decode(whole).pixels)

    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
    @pytest.mark.parametrize("lost", [8, 40, 400, 4000])
    @pytest.mark.parametrize("near", [None, 32])
    def test_one_that_breaks_off_is_not_taken_for_that(
        self, options: dict[str, Any], lost: int, near: int | None
    ) -> None:
        with pytest.raises(CorruptImageError):
            decode(jpeg(**options)[:-lost], near=near)

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    @pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"subsampling": 0}])
    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
    @pytest.mark.parametrize("near", [None, 32])
    def test_an_end_marker_does_not_make_it_whole(
        self, mode: str, options: dict[str, Any], share: float, near: int | None
    ) -> None:
        """Decoders fill up what is missing with grey, without a word."""
        data = encoded(Image.fromarray(LEVELS).convert(mode), "JPEG", quality=95, **options)
        scan = data.index(b"\xff\xda") + 12
        cut = data[: scan + int(share * (len(data) - scan))].rstrip(b"\xff") + b"\xff\xd9"
        with pytest.raises(CorruptImageError):
            decode(cut, near=near)

    def test_a_whole_one_may_end_in_that_grey(self) -> None:
        levels = LEVELS.copy()
        levels[-40:] = 128
        for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
            data = encoded(Image.fromarray(levels), "JPEG", quality=95, **options)
            assert decode(data).pixels[-1, -1] == 128

    @pytest.mark.parametrize(
        "stray", [b"\x00", b"\x00\x00\r\n", b"text", b"\xff\xff", b"\xff\xd0", b"\xff\x01"]
    )
    def test_stray_bytes_between_segments(self, stray: bytes) -> None:
        whole = jpeg()
        tables = whole.index(b"\xff\xdb")
        frame = whole.index(b"\xff\xc0")
        data = b"".join((whole[:tables], stray, whole[tables:frame], stray, whole[frame:]))
        assert np.array_equal(decode(data).pixels, decode(whole).pixels)

    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("stray", [b"\x00", b"ab\r\n", b"\xff\xff", b"\x00" * 100])
    def test_stray_bytes_before_any_segment(self, stray: bytes, progressive: bool) -> None:
        whole = jpeg(progressive=progressive)
        wanted = decode(whole).pixels
        for segment in re.finditer(rb"\xff[\xe0\xdb\xc0\xc2\xc4\xda]", whole):
            data = whole[: segment.start()] + stray + whole[segment.start() :]
            assert np.array_equal(decode(data).pixels, wanted), segment


class TestOpacity:
    @pytest.mark.parametrize("shade", [0, 90, 255])
    @pytest.mark.parametrize("mode", ["LA", "RGBA"])
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_the_same_everywhere_it_hides_nothing(self, kind: str, mode: str, shade: int) -> None:
        picture = Image.fromarray(LEVELS).convert(mode)
        picture.putalpha(shade)
        assert np.array_equal(decode(encoded(picture, kind)).pixels, LEVELS)

    @pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 95}])
    def test_of_a_webp_that_nobody_set(self, options: dict[str, Any]) -> None:
        picture = Image.fromarray(LEVELS).convert("RGBA")
        picture.putalpha(0)
        error = decode(encoded(picture, "WEBP", exact=True, **options)).pixels - LEVELS.astype(int)
        assert np.abs(error).mean() < 2

    def test_of_a_palette_that_is_transparent_as_a_whole(self) -> None:
        data = encoded(Image.fromarray(LEVELS).convert("P"), "PNG", transparency=bytes(256))
        assert np.array_equal(decode(data).pixels, LEVELS)

    @pytest.mark.parametrize("header", [108, 124])
    @pytest.mark.parametrize("opacity", [0, 255])
    def test_of_a_bitmap_from_the_clipboard(self, header: int, opacity: int) -> None:
        rows = np.dstack([LEVELS] * 3 + [np.full_like(LEVELS, opacity)])[::-1]
        masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        size = struct.pack("<IIIHHIIIIII", header, *SIZE, 1, 32, 3, rows.nbytes, 0, 0, 0, 0)
        head = (size + masks).ljust(header, b"\x00")
        start = struct.pack("<2sIHHI", b"BM", 14 + header + rows.nbytes, 0, 0, 14 + header)
        assert np.array_equal(decode(start + head + rows.tobytes()).pixels, LEVELS)

    @pytest.mark.parametrize("file", ["png", "tiff"])
    @pytest.mark.parametrize("top", [255, 4095, 65535])
    @pytest.mark.parametrize("channels", [2, 4])
    def test_of_sixteen_bits(self, file: str, top: int, channels: int) -> None:
        wide = LEVELS.astype(np.uint16) * np.uint16(257)
        opacity = np.full_like(wide, top)
        opacity[:40] = 0
        samples = np.stack([*[wide] * (channels - 1), opacity], axis=-1)
        if file == "png":
            data = bytes(imagecodecs.png_encode(samples))
        else:
            buffer = BytesIO()
            photometric = "rgb" if channels == 4 else "minisblack"
            tifffile.imwrite(buffer, samples, photometric=photometric, extrasamples=["unassalpha"])
            data = buffer.getvalue()
        levels = decode(data).pixels
        if (file, channels, top) != ("png", 4, 255):  # of which the high byte is 0 everywhere
            assert levels[:40].max() == 0
        assert np.array_equal(levels[40:], LEVELS[40:])

    def test_premultiplied_colours_are_not_multiplied_again(self) -> None:
        samples = np.stack([LEVELS // 2, np.linspace(100, 200, LEVELS.size).reshape(LEVELS.shape)])
        strip = np.moveaxis(samples, 0, -1).astype(np.uint8).tobytes()
        data = bare_tiff(strip, SIZE, samples=2, more={338: [1]})
        assert np.array_equal(decode(data).pixels, LEVELS // 2)


WHOLE_NUMBERS = [(1, "B"), (3, "H"), (4, "I"), (6, "b"), (8, "h"), (9, "i")]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tag_type", WHOLE_NUMBERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_may_be_any_whole_number(
    kind: str, tag_type: tuple[int, str], order: str
) -> None:
    number, code = tag_type
    mark = b"II" if order == "<" else b"MM"
    value = struct.pack(order + code, 6).ljust(4, b"\x00")
    block = mark + struct.pack(f"{order}HI", 42, 8)
    block += struct.pack(f"{order}HHHI", 1, 274, number, 1) + value + bytes(4)
    stored = Image.fromarray(LEVELS).transpose(Image.Transpose.ROTATE_90)
    options = {"lossless": True} if kind == "WEBP" else {}
    block = block if kind == "PNG" else b"Exif\x00\x00" + block
    levels = decode(encoded(stored, kind, exif=block, **options)).pixels
    assert np.abs(levels - LEVELS.astype(int)).mean() < 3


@pytest.mark.parametrize("tag_type", WHOLE_NUMBERS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("turned", [1, 6, 8])
def test_the_orientation_of_a_tiff_may_too(
    tag_type: tuple[int, str], order: str, turned: int
) -> None:
    stored = {1: LEVELS, 6: np.rot90(LEVELS), 8: np.rot90(LEVELS, -1)}[turned]
    size = stored.shape[::-1]
    data = bytearray(bare_tiff(stored.tobytes(), size, order=order, more={274: [turned]}))
    entry = data.index(struct.pack(f"{order}HHI", 274, 3, 1))
    value = struct.pack(order + tag_type[1], turned).ljust(4, b"\x00")
    data[entry : entry + 12] = struct.pack(f"{order}HHI", 274, tag_type[0], 1) + value
    assert np.array_equal(decode(bytes(data)).pixels, LEVELS)


class TestWebp:
    def animated(self, *frames: bytes, at: tuple[int, int] = (0, 0)) -> bytes:
        sides = b"".join((side - 1).to_bytes(3, "little") for side in SIZE)
        place = b"".join((side // 2).to_bytes(3, "little") for side in at)
        chunks = b"VP8X" + struct.pack("<IBxxx", 10, 0x02) + sides
        chunks += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
        for frame in frames:
            body = place + sides + bytes(4) + frame
            chunks += b"ANMF" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks

    def still(self) -> bytes:
        return encoded(Image.fromarray(LEVELS), "WEBP", lossless=True)[12:]

    def test_an_animation_of_one_frame_is_a_still(self) -> None:
        assert np.array_equal(decode(self.animated(self.still())).pixels, LEVELS)

    def test_an_animation_of_two_is_not(self) -> None:
        with pytest.raises(SeveralFramesError):
            decode(self.animated(self.still(), self.still()))


class TestTiffDirectories:
    main = 0
    subfile = 1

    def pages(self, *pictures: np.ndarray[Any, Any], **options: Any) -> bytes:
        buffer = BytesIO()
        with tifffile.TiffWriter(buffer, **options) as writer:
            for number, picture in enumerate(pictures):
                kind = 0 if number == self.main else self.subfile
                mask = bool(kind & 4)
                writer.write(
                    picture > 99 if mask else picture,
                    photometric="mask" if mask else "minisblack",
                    metadata=None,
                    subfiletype=kind,
                )
        return buffer.getvalue()

    @pytest.mark.parametrize("main", [0, 1, 2])
    @pytest.mark.parametrize("subfile", [1, 4, 5], ids=["reduced", "mask", "reduced mask"])
    @pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
    def test_the_main_picture_is_read(
        self, main: int, subfile: int, options: dict[str, Any]
    ) -> None:
        self.main, self.subfile = main, subfile
        pictures = [LEVELS[::4, ::4], LEVELS[::2, ::2]]
        pictures.insert(main, LEVELS)
        assert np.array_equal(decode(self.pages(*pictures, **options)).pixels, LEVELS)

    def test_a_pyramid_whose_levels_are_not_marked(self) -> None:
        self.subfile = 0
        data = self.pages(LEVELS, LEVELS[::2, ::2], LEVELS[::4, ::4])
        assert np.array_equal(decode(data).pixels, LEVELS)

    def test_a_thumbnail_in_a_directory_below(self) -> None:
        buffer = BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(LEVELS, subifds=2, metadata=None)
            writer.write(LEVELS[::2, ::2], subfiletype=1, metadata=None)
            writer.write(LEVELS[::4, ::4], subfiletype=1, metadata=None)
        assert np.array_equal(decode(buffer.getvalue()).pixels, LEVELS)

    @pytest.mark.parametrize("subfile", [0, 2], ids=["not marked", "pages"])
    @pytest.mark.parametrize("second", [LEVELS, LEVELS[:120], LEVELS[::-1, :200]])
    def test_two_films_are_several(self, second: np.ndarray[Any, Any], subfile: int) -> None:
        self.subfile = subfile
        with pytest.raises(SeveralFramesError):
            decode(self.pages(LEVELS, second))
