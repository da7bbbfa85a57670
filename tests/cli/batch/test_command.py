"""What the command says before a cluster is started."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.app import app
from service.cli.batch import run
from service.inference import BundleError
from tests.serving import ROOT, radiograph


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


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments to screen one film on a cluster that is not there."""
    (tmp_path / "a.png").write_bytes(radiograph(1))
    monkeypatch.setattr(run, "connect", lambda _: None)
    out, models = str(tmp_path / "out"), str(ROOT / "models")
    return ["batch", str(tmp_path), "--out", out, "--models", models]


def test_films_of_a_shard_that_was_given_up_are_counted(
    archive: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run.Totals(rows=7, lost=3)
    monkeypatch.setattr(run, "screen_units", lambda *_, **__: found)
    ended = CliRunner().invoke(app, archive)
    assert ended.exit_code == 1
    assert "7 films in" in ended.stderr
    assert "3 films were not screened: the process that screened their shard died 4 times." in (
        ended.stderr
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BundleError("The models folder does not exist."), "cannot load the model: The models"),
        (OSError(28, "No space left on device"), "out cannot be used: No space left on device."),
        (ConnectionResetError(104, "Connection reset"), "cannot be used: Connection reset."),
    ],
)
def test_what_fails_on_a_node_is_said_in_words(
    archive: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fail(*_: object, **__: object) -> run.Totals:
        raise error

    monkeypatch.setattr(run, "screen_units", fail)
    ended = CliRunner().invoke(app, archive)
    assert ended.exit_code == 2
    assert told in ended.stderr
