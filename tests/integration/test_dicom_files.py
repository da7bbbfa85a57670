"""DICOM files that others made: pydicom's own, and public radiographs where they are at hand."""

from pathlib import Path
from typing import Final

import httpx
import pydicom.data
import pytest

from service.errors import NotAChestRadiographError
from service.imaging import decode
from service.inference import load_ensemble
from service.screening.screen import Screening
from tests.serving import LiveService

RADIOGRAPHS: Final = Path(__file__).parents[2].parent / "shared/data/dicom"
PYDICOMS: Final = sorted(
    path
    for path in Path(pydicom.data.__file__).parent.rglob("*")
    if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
)


def test_pydicoms_own_files_are_read_or_refused_in_words() -> None:
    assert len(PYDICOMS) > 100
    read = 0
    with LiveService() as service, httpx.Client(base_url=service.url, timeout=60) as client:
        service.wait_until_ready()
        for path in PYDICOMS:
            answer = client.post("/predict", files={"file": path.read_bytes()})
            assert answer.status_code in {200, 415, 422}, path.name
            read += answer.status_code == 200
            if answer.status_code != 200:
                assert len(answer.json()["detail"].split()) > 5, path.name
        assert client.get("/health/ready").status_code == 200
    assert read > 10


MR: Final = ("RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "expb", "implicit", "padded")


@pytest.mark.parametrize("name", MR)
def test_one_picture_in_many_encodings(name: str) -> None:
    plain, other = (
        decode(Path(str(pydicom.data.get_testdata_file(f"{each}.dcm"))).read_bytes())
        for each in ("MR_small", f"MR_small_{name}")
    )
    assert other.picture.tobytes() == plain.picture.tobytes()


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="the public DICOM files are not here")
def test_films_of_chests_get_a_verdict_and_others_are_refused() -> None:
    judge = Screening(load_ensemble(Path("models"), threads=1), max_pixels=30_000_000)
    for path in sorted(RADIOGRAPHS.glob("*.dcm")):
        if path.name.startswith(("hip", "tibia", "teeth")):
            with pytest.raises(NotAChestRadiographError):
                judge.screen(path.read_bytes())
        else:
            assert judge.screen(path.read_bytes()).lungs is not None, path.name
