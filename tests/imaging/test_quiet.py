"""libtiff is kept from the terminal where it can be reached."""

import ctypes
import subprocess
import sys

import pytest

from service.imaging import quiet

DAMAGED_FAX = (
    "from tests.faults.corpus import sound_files\n"
    "import io\n"
    "data = bytearray(dict(sound_files())['TIFF 1 compression'])\n"
    "data[8:28] = b'\\xa5' * 20\n"
    "{}\n"
    "from PIL import Image\n"
    "try:\n"
    "    Image.open(io.BytesIO(bytes(data))).load()\n"
    "except Exception:\n"
    "    pass\n"
)


def standard_error(preparation: str) -> str:
    """What a damaged fax page leaves on the terminal."""
    code = DAMAGED_FAX.format(preparation)
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stderr


def test_a_damaged_fax_page_leaves_no_trace_on_the_terminal() -> None:
    if not quiet.silence_libtiff():
        pytest.skip("this Pillow's libtiff cannot be reached")
    assert "Fax4Decode" in standard_error("")
    assert not standard_error("import service.imaging")


def test_a_pillow_that_hides_its_libtiff_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not quiet.silence_libtiff()
