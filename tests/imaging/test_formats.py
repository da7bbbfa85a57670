"""A file is what its first bytes say."""

import pytest

from service.imaging.formats import sniff_format


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WEBP"),
        (b"BM" + bytes(12) + b"\x28\x00\x00\x00", "BMP"),
        (b"II*\x00", "TIFF"),
        (b"MM\x00*", "TIFF"),
    ],
)
def test_a_signature_names_its_format(start: bytes, name: str) -> None:
    assert sniff_format(start) == name


@pytest.mark.parametrize("start", [b"", b"BM", b"RIFF\x00\x00\x00\x00WAVE", b"GIF89a", b"PNG"])
def test_other_bytes_have_no_format(start: bytes) -> None:
    assert sniff_format(start) is None
