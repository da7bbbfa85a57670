"""Whatever the bytes, the answer is a radiograph or one of our errors, and nothing on stderr."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.imaging import ImagingError, Radiograph, decode
from tests.faults.corpus import mutations, sound_files
from tests.faults.dicom import dicom_bombs, sound_dicom

FILES = dict([*sound_files(), *sound_dicom()])
SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"RIFF\xff\x00\x00\x00WEBPVP8X",
    b"BM" + bytes(12) + b"\x28\x00\x00\x00",
    b"II*\x00\x08\x00\x00\x00",
    b"MM\x00+\x00\x08\x00\x00",
    bytes(128) + b"DICM\x02\x00\x10\x00UI",
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100",
)

bounded = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def check(data: bytes, near: int | None = None) -> None:
    """Decode; anything but a sound radiograph or an error of ours fails the test."""
    try:
        radiograph = decode(data, max_pixels=100_000, near=near)
    except ImagingError:
        return
    assert isinstance(radiograph, Radiograph)
    assert radiograph.picture.mode == "L"
    assert not radiograph.picture.info
    assert radiograph.pixels.dtype == np.uint8
    assert radiograph.width * radiograph.height <= 100_000


@bounded
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    check(data)


@bounded
@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_any_bytes_behind_a_signature(signature: bytes, data: bytes) -> None:
    check(signature + data)


@bounded
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=6),
    st.floats(0.1, 1),
    st.sampled_from([None, 8, 64]),
)
def test_any_bytes_anywhere_in_a_valid_file(
    name: str, wounds: list[tuple[float, bytes]], kept: float, near: int | None
) -> None:
    data = bytearray(FILES[name])
    for place, piece in wounds:
        at = int(place * (len(data) - 1))
        data[at : at + len(piece)] = piece
    # Headers are where damage tells most.
    check(bytes(data[: max(40, int(len(data) * kept))]), near)
    check(bytes(data), near)


def test_the_mutations_of_the_fault_bench(capfd: pytest.CaptureFixture[str]) -> None:
    for _, data in mutations(600, seed=5):
        check(data)
    for _, data in mutations(240, seed=5, files=sound_dicom()):
        check(data)
    # Below Python too: the C libraries have their own way to the terminal.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_file_that_is_mutated_is_read_when_whole(name: str) -> None:
    assert decode(FILES[name]).pixels.std() > 10


def test_dicom_bombs_are_refused() -> None:
    for name, data in dicom_bombs(1_000_000):
        with pytest.raises(ImagingError):
            pytest.fail(f"{name} was read: {decode(data)}")


@pytest.mark.parametrize("make", [bytes, bytearray, lambda data: io.BytesIO(data).getvalue()])
def test_the_bytes_are_left_as_they_were(make: Callable[[bytes], bytes]) -> None:
    data = make(FILES["PNG L pnginfo exif"])
    before = bytes(data)
    decode(bytes(data))
    assert data == before
