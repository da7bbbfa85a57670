"""A system that reads the framing of the radiograph is found out among images that share it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.training.made_up_runs import table_rows, write_run
from training.alike import alike_rows
from training.config import Recipe
from training.experiments import Question, render
from training.metrics import Interval

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("few_draws")]


@pytest.fixture
def framing(tmp_path: Path) -> dict[str, float]:
    """Two recipes on one fold: `reads` answers with the framing, `sees` with the truth."""
    table = write_run(tmp_path, Recipe(name="sees", seed=1), 4, noise=0.2)
    write_run(tmp_path, Recipe(name="reads", seed=2), 4, noise=0.2)
    rng = np.random.default_rng(5)
    framing = 0.8 + 0.2 * table["label"] + 0.15 * rng.standard_normal(len(table))
    path = tmp_path / "reads/fold-4/predictions.csv"
    read = pd.read_csv(path)
    read["clean"] = np.clip(framing - 0.3, 0, 1)
    read.to_csv(path, index=False)
    return dict(zip(table["name"], framing, strict=True))


def test_only_what_is_seen_beside_the_framing_counts(
    tmp_path: Path, framing: dict[str, float]
) -> None:
    rows = {row["system"]: row for row in alike_rows(tmp_path, "sees+reads", (), framing)}
    assert list(rows) == ["`sees+reads`", "`sees`", "`reads`"]
    reads, sees = rows["`reads`"], rows["`sees`"]
    assert reads["clean"].value > 0.75
    assert reads["among like"].value < reads["clean"].value - 0.1
    assert sees["among like"].value > 0.85
    gain: Interval = reads["pair gains"]
    pair = rows["`sees+reads`"]["among like"].value
    assert gain.value == pytest.approx(pair - reads["among like"].value)
    assert rows["`sees+reads`"]["pair gains"] == ""


def test_the_page_of_experiments_has_a_section_for_it_when_masks_are_given(
    tmp_path: Path, framing: dict[str, float]
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name, value in framing.items():
        mask = np.zeros((192, 192), dtype=np.uint8)
        mask[: round(100 * value), 40:140] = 255
        Image.fromarray(mask).save(masks / f"{name}.png")
    (tmp_path / "runs").mkdir()
    for name in ("sees", "reads"):
        (tmp_path / name).rename(tmp_path / "runs" / name)
    page = render(Question(tmp_path / "runs", "sees", ("sees+reads",), masks=masks), {})
    rows = table_rows(page, "Among like framings")
    assert [row["system"] for row in rows] == ["`sees+reads`", "`sees`", "`reads`"]
    assert {row["images"] for row in rows} == {str(len(framing))}


def test_images_whose_framing_is_unknown_are_left_out(
    tmp_path: Path, framing: dict[str, float]
) -> None:
    some = dict(list(framing.items())[:30]) | {"nobody": 1.0}
    rows = alike_rows(tmp_path, "sees+reads", ("sees",), some)
    assert [row["images"] for row in rows] == [30, 30, 30]


def test_systems_without_a_common_fold_are_not_compared(
    tmp_path: Path, framing: dict[str, float]
) -> None:
    write_run(tmp_path, Recipe(name="elsewhere", seed=3), 0, noise=0.2)
    assert alike_rows(tmp_path, "sees+reads", ("elsewhere",), framing) == []
