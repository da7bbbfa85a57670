"""What would cost much is refused from its headers, and says what would do instead."""

import pytest

from service.imaging import (
    CorruptImageError,
    ImagingError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    decode,
)
from service.imaging.containers import READERS
from service.imaging.formats import sniff_format
from tests.faults.bombs import SOUND_WITHIN, bmp_header, bombs, grey_tiff, png_header, tiff
from tests.faults.corpus import encoded
from tests.phantom import phantom

BOMBS = dict(bombs(size=100_000))


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_is_refused_or_only_its_pixels_are_read(name: str) -> None:
    if name in SOUND_WITHIN:
        assert decode(BOMBS[name]).pixels.std() > 10
        return
    with pytest.raises(ImagingError):
        decode(BOMBS[name])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("PNG of 1,000 frames", SeveralFramesError),
        ("WEBP of 1,000 frames", SeveralFramesError),
        ("TIFF of 1,000 frames", SeveralFramesError),
        ("TIFF whose directory follows itself", SeveralFramesError),
        ("PNG 100000x100000", TooManyPixelsError),
        ("BMP 100000x100000", TooManyPixelsError),
        ("TIFF 100000x100000", TooManyPixelsError),
        ("JPEG 65535x65535", TooManyPixelsError),
        ("JPEG of 5,000 scans", CorruptImageError),
        ("TIFF of overlapping strips", CorruptImageError),
        ("TIFF of one huge tile", CorruptImageError),
        ("TIFF whose entries multiply", CorruptImageError),
    ],
)
def test_a_bomb_is_called_what_it_is(name: str, error: type[ImagingError]) -> None:
    with pytest.raises(error):
        decode(BOMBS[name])


def test_a_side_too_long_is_refused() -> None:
    with pytest.raises(TooManyPixelsError, match="on a side"):
        decode(bmp_header(32_768, 32) + bytes(32_768 * 32))


def test_a_webp_takes_more_memory_so_fewer_pixels_are_accepted() -> None:
    chunk = (
        b"VP8L" + (9).to_bytes(4, "little") + b"\x2f" + (3999 | 3999 << 14).to_bytes(4, "little")
    )
    data = b"RIFF" + (4 + 18).to_bytes(4, "little") + b"WEBP" + chunk + bytes(4) + b"\x00"
    with pytest.raises(TooManyPixelsError, match=r"4000 x 4000 pixels; .* at most 1\d\.\d million"):
        decode(data)


def test_run_length_encoding_is_read_up_to_its_own_limit() -> None:
    with pytest.raises(TooManyPixelsError, match=r"at most 2\.0 million"):
        decode(bmp_header(2000, 1001, compression=1) + b"\x01\x05" * 100)


@pytest.mark.parametrize("compression", [6, 34925, 50000, 50001, 9999])
def test_a_tiff_of_a_rare_compression_is_unsupported(compression: int) -> None:
    entries = grey_tiff(64, 64, t259=(3, 1, compression))
    with pytest.raises(UnsupportedFormatError):
        decode(tiff(entries, phantom(1, (64, 64)).tobytes()))


@pytest.mark.parametrize("frame", [0xC3, 0xC9, 0xCA])
def test_a_jpeg_of_a_rare_process_is_unsupported(frame: int) -> None:
    data = encoded(phantom(1, (64, 64)), "JPEG").replace(b"\xff\xc0", bytes((0xFF, frame)))
    with pytest.raises(UnsupportedFormatError):
        decode(data)


@pytest.mark.parametrize("data", [bmp_header(64, 64), png_header(64, 64)])
def test_announced_pixels_must_be_there(data: bytes) -> None:
    with pytest.raises(CorruptImageError):
        decode(data + bytes(100))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_decoder_is_shown_no_metadata(kind: str) -> None:
    secret = b"Jane-Planted"
    options = (
        {"exif": b"Exif\x00\x00II*\x00" + secret}
        if kind != "TIFF"
        else {"artist": secret, "compression": "jpeg"}
    )
    data = encoded(phantom(1, (64, 64)), kind, **options)
    assert secret in data
    named = sniff_format(data)
    assert named
    assert secret not in b"".join(READERS[named](data).pieces)
    assert decode(data).width == 64
