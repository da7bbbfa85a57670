from pathlib import Path

import pytest
from pydicom import dcmread

from tests.cli.conftest import Cli
from tests.dicom_files import STUDY, dicom
from tests.fake_engine import FakeEngine
from tests.serving import radiograph


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Two DICOM files and an image of another format."""
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(dicom())
    (folder / "b").write_bytes(dicom(SOPInstanceUID="1.2.3.4"))
    (folder / "c.png").write_bytes(radiograph())
    return folder


def test_each_dicom_file_gets_results_and_others_their_verdict(
    cli: Cli, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new/out"
    answer = cli("predict", films, "--dicom-out", out, "--lang", "en")
    assert answer.status == 0
    assert "3 files" in answer.err
    made = sorted(out.iterdir())
    names = [(path.name[0], path.stem.rsplit("-", 1)[1]) for path in made]
    assert names == [(file, kind) for file in "ab" for kind in ("pdf", "sc", "sr")]
    for path in made:
        assert dcmread(path).StudyInstanceUID == STUDY


def test_results_and_reports_are_made_of_one_look(
    cli: Cli, films: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    cli("predict", films, "--dicom-out", tmp_path / "out", "--report", tmp_path / "reports")
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert len(list((tmp_path / "reports").iterdir())) == 3
    assert engine.calls == 3


def test_a_resumed_run_writes_missing_results(
    cli: Cli, films: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    table, out = tmp_path / "out.csv", tmp_path / "out"
    cli("predict", films, "--csv", table, "--dicom-out", out)
    calls = engine.calls
    [missing, *_] = out.glob("a-*-sr.dcm")
    missing.unlink()
    assert cli("predict", films, "--csv", table, "--dicom-out", out).status == 0
    assert missing.exists()
    assert engine.calls == calls + 1


def test_a_folder_that_cannot_be_made_ends_the_command(
    cli: Cli, films: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    answer = cli("predict", films, "--dicom-out", tmp_path / "file/out")
    assert answer.status == 2
    assert "Cannot create the folder" in answer.err
