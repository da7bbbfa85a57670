"""What the command says before a cluster is started."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.app import app
from tests.serving import ROOT


@pytest.mark.parametrize(
    ("source", "models", "told"),
    [
        (".", "nowhere", "models folder is"),
        (".", str(ROOT / "models"), "There is no picture in"),
        ("missing/*.png", str(ROOT / "models"), "No file matches missing/*.png."),
        ("memory://nothing", str(ROOT / "models"), "There is no picture in memory://nothing."),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    source: str, models: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["batch", source, "--out", "verdicts", "--models", models]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 2
    assert told in ended.stderr
    assert not Path("verdicts").exists()
