"""Compressed samples are those that were compressed, by whatever encoder, with whatever option."""

import io
import sys
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless

from service.imaging import CorruptImageError, Radiograph, UnsupportedFormatError, decode
from tests.dicom_samples import data_set, dicom_file, encoded_as, stored_phantom

DEEP = stored_phantom(12)
COLOURS = np.stack([stored_phantom(8), stored_phantom(8) // 2, stored_phantom(8)], axis=-1)


def decoded(frame: bytes, samples: NDArray[Any], bits: int, **elements: Any) -> Radiograph:
    """The picture of a frame in a DICOM file of a full window."""
    full = {"WindowCenter": 1 << (bits - 1), "WindowWidth": 1 << bits}
    return decode(encoded_as(frame, data_set(samples, bits, **full, **elements), JPEGLosslessSV1))


def expected(samples: NDArray[Any], bits: int) -> NDArray[np.float64]:
    return np.asarray(samples * (255 / ((1 << bits) - 1)))


@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_by_each_predictor(predictor: int) -> None:
    frame = imagecodecs.jpeg8_encode(DEEP, lossless=True, predictor=predictor, bitspersample=12)
    pixels = decoded(bytes(frame), DEEP, 12).pixels
    assert np.abs(pixels - expected(DEEP, 12)).max() <= 0.51


def lossless_jpeg(samples: NDArray[Any], *, rows_together: int = 0, point: int = 0) -> bytes:
    """A lossless JPEG of 16 bits, each difference with a code of 5 bits, and restarts if wanted."""
    rows, columns = samples.shape
    values = samples.astype(np.int64) >> point
    pieces = []
    for top in range(0, rows, rows_together or rows):
        band = values[top : top + (rows_together or rows)]
        predicted = np.empty_like(band)
        predicted[0, 0] = 1 << (15 - point)
        predicted[0, 1:] = band[0, :-1]
        predicted[1:, 0] = band[:-1, 0]
        predicted[1:, 1:] = band[1:, :-1]
        bits = "".join(map(code, ((band - predicted) & 0xFFFF).ravel().tolist()))
        bits += "1" * (-len(bits) % 8)
        pieces.append(int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00"))
    scan = pieces[0] + b"".join(
        bytes((0xFF, 0xD0 + number % 8)) + piece for number, piece in enumerate(pieces[1:])
    )
    size = rows.to_bytes(2, "big") + columns.to_bytes(2, "big")
    table = b"\xff\xc4\x00\x24\x00" + bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))
    restart = b"\xff\xdd\x00\x04" + (rows_together * columns).to_bytes(2, "big")
    return bytes(
        b"\xff\xd8\xff\xc3\x00\x0b\x10" + size + b"\x01\x01\x11\x00" + table + restart
        + b"\xff\xda\x00\x08\x01\x01\x00\x01\x00" + bytes([point]) + scan + b"\xff\xd9"
    )  # fmt: skip


def code(difference: int) -> str:
    """A difference modulo 65,536 in bits (T.81, H.1.2.2)."""
    signed = difference - 0x10000 if difference > 0x8000 else difference
    size = abs(signed).bit_length()
    if size in {0, 16}:
        return f"{size:05b}"
    return f"{size:05b}{signed if signed > 0 else signed + (1 << size) - 1:0{size}b}"


@pytest.mark.parametrize("point", [0, 3])
@pytest.mark.parametrize("rows_together", [0, 1, 7])
def test_lossless_jpeg_with_restarts_and_a_point_transform(rows_together: int, point: int) -> None:
    # Noise, so that differences of every size are there, and the widest of all.
    samples = np.random.default_rng(3).integers(0, 1 << 16, (40, 48)).astype(np.uint16)
    samples[0, :4] = 0, 0x8000, 0, 0xFFFF
    frame = lossless_jpeg(samples, rows_together=rows_together, point=point)
    pixels = decoded(frame, samples, 16).pixels
    assert np.abs(pixels - expected(samples >> point << point, 16)).max() <= 0.51
    if not rows_together and not point:
        assert np.array_equal(imagecodecs.ljpeg_decode(frame), samples), "the test's own encoder"


@pytest.mark.parametrize(
    ("photometric", "options"),
    [("YBR_FULL", {"subsampling": 0}), ("YBR_FULL_422", {}), ("RGB", {"keep_rgb": True})],
)
def test_colours_in_jpeg(photometric: str, options: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "JPEG", quality=95, **options)
    frame = buffer.getvalue()
    radiograph = coloured(frame, photometric, JPEGBaseline8Bit)
    luminance = np.asarray(Image.fromarray(COLOURS).convert("L")).astype(int)
    assert np.abs(radiograph.pixels - luminance).max() < 30
    assert np.abs(radiograph.pixels - luminance).mean() < 2
    assert radiograph.chroma > 5


def test_colours_in_jpeg_2000() -> None:
    frame = imagecodecs.jpeg2k_encode(COLOURS, reversible=True, codecformat="j2k")
    radiograph = coloured(bytes(frame), "YBR_RCT", JPEG2000Lossless)
    luminance = np.asarray(Image.fromarray(COLOURS).convert("L"))
    assert np.array_equal(radiograph.pixels, luminance)


def coloured(frame: bytes, photometric: str, syntax: Any) -> Radiograph:
    colours = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
    dataset = data_set(COLOURS, 8, PhotometricInterpretation=photometric, **colours)
    return decode(encoded_as(frame, dataset, syntax))


@pytest.mark.parametrize(("frame", "said"), [
    (bytes(imagecodecs.jpegls_encode(COLOURS)), "colours in JPEG-LS"),
    (bytes(imagecodecs.jpeg8_encode(COLOURS, lossless=True, predictor=1)), "colours in lossless"),
    (bytes(imagecodecs.jpeg2k_encode(COLOURS.astype(np.uint16) << 8, codecformat="j2k",
                                     bitspersample=16)), "JPEG 2000 of 16 bits"),
])  # fmt: skip
def test_what_is_not_read_is_named(frame: bytes, said: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=said):
        coloured(frame, "RGB", JPEGLSLossless)


def test_a_palette_becomes_luminance() -> None:
    indices = stored_phantom(8)
    ramp = np.arange(256, dtype=np.uint16)
    channels = {"Red": ramp << 8, "Green": (255 - ramp) << 8, "Blue": ramp << 7}
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, channel in channels.items():
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = channel.astype("<u2").tobytes()
    radiograph = decode(dicom_file(indices, 8, **elements))
    colours = np.stack([channel >> 8 for channel in channels.values()], axis=-1).astype(np.uint8)
    expected = np.asarray(Image.fromarray(colours[indices]).convert("L"))
    assert np.array_equal(radiograph.pixels, expected)
    assert radiograph.chroma > 10


def test_without_its_decoder_jpeg_ls_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = dicom_file(DEEP, 12, JPEGLSLossless)
    monkeypatch.setitem(sys.modules, "jpeg_ls", None)
    with pytest.raises(UnsupportedFormatError, match="the extra 'dicom'"):
        decode(data)


def test_fragments_are_one_frame() -> None:
    frame = bytes(imagecodecs.jpeg8_encode(DEEP, lossless=True, predictor=1, bitspersample=12))
    whole = data_set(DEEP, 12)
    one = decode(encoded_as(frame, whole, JPEGLosslessSV1)).pixels
    whole.PixelData = encapsulate([frame], fragments_per_frame=5)
    assert len(whole.PixelData) > len(frame) + 5 * 8
    assert np.array_equal(decode(encoded_as(None, whole, JPEGLosslessSV1)).pixels, one)


def test_jpeg_ls_has_the_size_of_its_frame_and_not_of_its_spiff_header() -> None:
    frame = bytes(imagecodecs.jpegls_encode(DEEP))
    size = frame.index(b"SPIFF") + 10
    wrong = frame[:size] + b"\x00\x19\x00\x50" + frame[size + 4 :]
    assert wrong != frame
    assert np.array_equal(decoded(wrong, DEEP, 12).pixels, decoded(frame, DEEP, 12).pixels)


def test_a_jpeg_ls_that_breaks_off_is_refused() -> None:
    frame = bytes(imagecodecs.jpegls_encode(DEEP))
    for kept in (200, 4000, len(frame) - 12):
        with pytest.raises(CorruptImageError):
            decoded(frame[:kept], DEEP, 12)


def test_jpeg_2000_in_tiles() -> None:
    levels = stored_phantom(8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG2000", no_jp2=True, tile_size=(32, 32))
    tiles = buffer.getvalue()
    assert np.array_equal(decoded(tiles, levels, 8).pixels, levels)
    sizes = tiles[:24] + b"\0\0\0\1\0\0\0\1" + tiles[32:]
    with pytest.raises(UnsupportedFormatError, match="7680 tiles"):
        decoded(sizes, levels, 8)
