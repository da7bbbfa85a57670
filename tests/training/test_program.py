"""The commands, as a person types them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import training.__main__
from tests.lungs.drawn import as_probabilities, two_lungs
from tests.training.conftest import write_data_set
from training import commands
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
    for name in ("eda", "lungs", "fields", "fit", "assemble", "compile", "experiments"):
        assert name in text


def test_the_steps_that_the_help_names_are_commands() -> None:
    named = re.findall(r"`(\w+)`", training.__main__.__doc__ or "")
    assert "fit" in named
    for name in named:
        assert "Usage" in invoke(name, "--help")


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


LUNGS = """
name = "finder"
network = "lungs"
side = 64
[schedule]
epochs = 1
images = 8
batch = 8
rate = 1e-3
"""
MEMBER = """
name = "reader"
network = "lite0"
view = "lungs_only"
side = 64
other_hospital = 0
[schedule]
epochs = 1
images = 6
batch = 6
rate = 1e-4
"""


@pytest.mark.usefixtures("one_thread")
def test_a_member_is_fitted_from_films_and_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, runs = tmp_path / "data", tmp_path / "runs"
    write_data_set(data / "chest_xray")
    (data / "lung_masks").mkdir()
    lungs = Image.fromarray(two_lungs().astype(np.uint8) * 255)
    for path in (data / "chest_xray/train").rglob("*.jpeg"):
        lungs.resize((72, 64)).convert("1").save(data / f"lung_masks/{path.stem}.png")
    (data / "lung_masks/IM-0002-0001.png").unlink()
    for name, text in (("lungs", LUNGS), ("member", MEMBER)):
        (tmp_path / f"{name}.toml").write_text(text)
    common = ("--data", data, "--runs", runs)
    output = invoke("lungs", *common, "--recipe", tmp_path / "lungs.toml", "--fold", "0")
    assert "1 have none: NORMAL/IM-0002-0001.jpeg" in " ".join(output.split())
    found = as_probabilities(two_lungs()[1::3, 1::3])
    # After one step the network finds no lungs; what it would find is drawn.
    monkeypatch.setattr(commands, "segment", lambda _, pictures: np.stack([found] * len(pictures)))
    finder = runs / "finder/seed-0/fold-0"
    output = " ".join(invoke("fields", *common, "--lungs", finder).split())
    assert "train: 42 lung fields." in output
    assert "adults_nih: not there." in output
    invoke("fit", tmp_path / "member.toml", "--runs", runs, "--fold", "1", "--seed", "3")
    run = RunFolder(runs / "reader/seed-3/fold-1")
    assert run.facts()["recipe"]["seed"] == 3
    assert "block_auc" in run.read_log()[0]
