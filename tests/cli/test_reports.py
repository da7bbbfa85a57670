from pathlib import Path

import pytest

from service.cli import reports
from service.cli.errors import CommandError
from service.cli.reports import ReportFolder
from service.screening.screen import Screening
from tests.cli.conftest import Cli
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import radiograph


def test_each_report_is_named_after_file_and_content(
    cli: Cli, chests: Path, tmp_path: Path
) -> None:
    (chests / "b/0.png").write_bytes(radiograph(7))
    folder = tmp_path / "new/reports"
    assert cli("predict", chests, "--report", folder, "--lang", "en").status == 0
    made = sorted(folder.iterdir())
    assert len(made) == 7
    assert sorted(path.name[:2] for path in made) == ["0-", "0-", "1-", "2-", "3-", "4-", "5-"]
    assert all(path.read_bytes().startswith(b"%PDF-") for path in made)


def test_a_file_that_failed_has_none(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    assert cli("predict", bad, "--report", tmp_path / "reports").status == 1
    assert list((tmp_path / "reports").iterdir()) == []


def test_a_resumed_run_writes_missing_reports(
    cli: Cli, chests: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    table, folder = tmp_path / "out.csv", tmp_path / "reports"
    cli("predict", chests, "--csv", table, "--report", folder)
    calls = engine.calls
    missing = sorted(folder.iterdir())[2]
    missing.unlink()
    assert cli("predict", chests, "--csv", table, "--report", folder).status == 0
    assert missing.exists()
    assert engine.calls == calls + 1
    assert len(table.read_text().splitlines()) == 7


def test_networks_without_maps_have_reports_too(tmp_path: Path) -> None:
    ensemble = fake_ensemble(FakeEngine(explains=False))
    written = ReportFolder(tmp_path, ensemble.bundle, "es")
    result = Screening(ensemble, max_pixels=10**7).explain_if_possible(radiograph())
    verdict = written.write(Path("a.png"), result)
    assert verdict == Screening(ensemble, max_pixels=10**7).screen(radiograph())
    assert written.contains(Path("a.png"), verdict.image.sha256)


def test_a_failed_write_is_an_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensemble = fake_ensemble()
    written = ReportFolder(tmp_path, ensemble.bundle, "es")
    monkeypatch.setattr(reports, "make_report", lambda *_, **__: b"%PDF-")
    result = Screening(ensemble, max_pixels=10**7).explain_if_possible(radiograph())
    (tmp_path / f"a-{result.verdict.image.sha256[:12]}.pdf").mkdir()
    with pytest.raises(CommandError, match=r"Cannot write .*: Is a directory"):
        written.write(Path("a.png"), result)
    assert len(list(tmp_path.iterdir())) == 1
