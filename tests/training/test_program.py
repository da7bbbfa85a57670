"""The commands, as a person types them."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.training.conftest import write_data_set
from training.__main__ import app
from training.data import DataError
from training.fit.runs import RunFolder


def invoke(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_every_step_is_a_command() -> None:
    text = invoke("--help")
    for name in ("eda", "lungs", "fields", "fit", "average", "assemble", "compile", "experiments"):
        assert name in text


def test_the_first_look_reports_balance_and_leaks(tmp_path: Path) -> None:
    write_data_set(tmp_path / "data/chest_xray")
    masks = tmp_path / "data/lung_masks"
    masks.mkdir()
    for label, folder in enumerate(("NORMAL", "PNEUMONIA")):
        for path in (tmp_path / "data/chest_xray/train" / folder).iterdir():
            mask = Image.new("L", (72, 64))
            mask.paste(255, (10, 8, 60, 40 + 16 * label))
            mask.convert("1").save(masks / f"{path.stem}.png")
    invoke("eda", "--data", tmp_path / "data", "--runs", tmp_path / "runs")
    report = (tmp_path / "runs/eda/report.md").read_text()
    assert "42 images of 40 patients, 42 with a lung mask" in report
    assert "| lungs_height | 42 | 1.0 |" in report
    assert "| lungs_left | 42 | 0.5 |" in report
    assert (tmp_path / "runs/eda/examples.png").stat().st_size > 1000


def test_experiments_tabulate_every_run_with_mean_and_worst(tmp_path: Path) -> None:
    for seed, area in ((0, 0.8), (1, 0.6)):
        run = RunFolder(tmp_path / f"lung-field/seed-{seed}/fold-0")
        run.claim({"seed": seed})
        run.write_log(
            [
                {"epoch": epoch, "adults_montgomery_auc": area + 0.01 * epoch,
                 "adults_montgomery_false_positives": 0.1 * seed}
                for epoch in (0, 1)
            ]
        )  # fmt: skip
    started = RunFolder(tmp_path / "lungs-only/seed-0/fold-0")
    started.claim({})
    page = tmp_path / "page.md"
    assert "2 runs" in invoke("experiments", "--runs", tmp_path, "--out", page)
    text = page.read_text()
    assert "| seed-1, fold-0 | 2 | 0.610 | 0.100 |" in text
    assert "| **mean** |  | 0.710 | 0.050 |" in text
    assert "| **worst** |  | 0.610 | 0.100 |" in text
    assert "lungs-only" not in text


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    recipe = Path("training/fit/recipes/lung_field.toml")
    with pytest.raises(DataError, match="holds no lung fields"):
        invoke("fit", recipe, "--runs", tmp_path)
    with pytest.raises(DataError, match="no fold 9"):
        invoke("fit", recipe, "--runs", tmp_path, "--fold", "9")
    with pytest.raises(DataError, match="holds no run with"):
        invoke("experiments", "--runs", tmp_path)
    with pytest.raises(DataError, match="no folder NORMAL/"):
        invoke("lungs", "--data", tmp_path, "--runs", tmp_path)
