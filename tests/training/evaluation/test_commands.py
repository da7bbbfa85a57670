"""The commands, from folders of films to the card: each figure of which comes from a JSON file."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.inference import MANIFEST_FILE, Ensemble, Manifest
from tests.fake_engine import FakeEngine, FakeSegmenter, fake_bundle
from tests.phantom import phantom
from tests.training.conftest import write_data_set
from tests.training.evaluation.made_up import write_films
from training.data import DataError
from training.evaluation.card import UNMEASURED, card, write_card
from training.evaluation.commands import app
from training.evaluation.pipeline import Pipeline


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training set and the sets of other hospitals, of phantoms."""
    root = tmp_path_factory.mktemp("data")
    write_data_set(root / "chest_xray", 128)
    write_films(root / "adults_montgomery", {"NORMAL": 4, "TB": 4}, 128)
    write_films(root / "children_11_to_17", {"NORMAL": 4}, 128)
    nih = write_films(root / "adults_nih", {"NO_FINDING": 8, "OPACITY": 8}, 128)
    lines = ["file,patient,view"]
    for number, path in enumerate(sorted(nih.glob("*/*.png"))):
        # Views in pairs, so that both have patients with odd numbers.
        lines.append(f"{path.parent.name}/{path.name},{number},{('AP', 'PA')[number // 2 % 2]}")
    (nih / "patients.csv").write_text("\n".join(lines) + "\n")
    return root


def open_fake(directory: Path) -> Pipeline:
    """A bundle of the folder's manifest, whose networks are made of numpy."""
    manifest = Manifest.read(directory / MANIFEST_FILE)
    segmenter = FakeSegmenter() if manifest.lungs else None
    bundle = dataclasses.replace(fake_bundle(), manifest=manifest)
    return Pipeline(Ensemble(bundle, FakeEngine(), segmenter=segmenter))


def write_bundle(folder: Path, *, lungs: bool = True, sha: str = "a") -> Path:
    """A folder with a manifest and nothing else."""
    folder.mkdir(parents=True)
    manifest = fake_bundle(lungs=lungs).manifest
    members = tuple(member.model_copy(update={"sha256": sha * 64}) for member in manifest.members)
    manifest.model_copy(update={"members": members}).write(folder / MANIFEST_FILE)
    return folder


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Pipeline, "open", open_fake)
    return write_bundle(tmp_path / "models")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def masks_of(films: Path, folder: Path) -> Path:
    """Masks of a set: what is dark in a phantom is lung, roughly."""
    folder.mkdir()
    drawn = phantom(1, (64, 64)).point(lambda level: 255 if level < 90 else 0)
    for path in films.rglob("*.*"):
        drawn.save(folder / f"{path.stem}.png")
    return folder


def test_from_films_to_the_card(data: Path, bundle: Path, tmp_path: Path) -> None:
    folds, results = tmp_path / "folds", tmp_path / "run"
    for fold in (0, 2):  # the others have not been trained yet
        write_bundle(folds / str(fold), sha=str(fold))
    common = ("--bundle", bundle, "--run", results)
    training_set = data / "chest_xray"

    before = write_card(bundle, results).read_text()
    assert before.count(UNMEASURED) == 6

    run("out-of-fold", training_set, "--folds", folds, *common, "--suite", "--write")
    recorded = Manifest.read(bundle / MANIFEST_FILE).metrics
    assert recorded is not None
    measured = json.loads((results / "out_of_fold.json").read_text())
    assert recorded.figures["by_aetiology"] == measured["by_aetiology"]
    assert f"{measured['folds']} contiguous blocks" in recorded.protocol
    run("frame-exchange", training_set, "--folds", folds, *common)
    run("audit", training_set, "--folds", folds, *common, "--maps", 2)
    run("external", data, *common, "--against", bundle)
    masks = masks_of(data / "adults_montgomery", tmp_path / "masks")
    run("segmentation", data / "adults_montgomery", "--masks", masks, *common, "--without-heart")
    assert (results / "worst-lungs-adults_montgomery.png").exists()
    run(
        "segmentation",
        training_set,
        "--masks",
        masks_of(training_set, tmp_path / "more"),
        *common,
        "--finder",
        folds / "2",
        "--block",
        3,
    )
    lungs = json.loads((results / "segmentation.json").read_text())["sets"]
    assert set(lungs) == {"adults_montgomery", "chest_xray"}
    assert lungs["chest_xray"]["all"]["films"] == 8
    run("calibrate", data, "--folds", folds, *common)

    calibration = json.loads((results / "calibration.json").read_text())
    manifest = Manifest.read(bundle / MANIFEST_FILE)
    assert manifest.threshold.value == calibration["threshold"]
    assert manifest.calibration.slope == calibration["calibration"]["slope"]
    run("card", *common)
    text = (bundle / "MODEL_CARD.md").read_text()
    assert UNMEASURED not in text
    found = json.loads((results / "out_of_fold.json").read_text())
    assert found["out_of_fold"] is True
    assert found["folds"] == 2
    assert f"{found['auc']['value']:.3f}" in text
    for part in ("audit", "frame_exchange", "external", "segmentation"):
        assert (results / f"{part}.json").exists()
    # The card's numbers are the JSON files' and nothing else: other files make another card.
    (results / "audit.json").unlink()
    run("card", *common)
    assert (bundle / "MODEL_CARD.md").read_text().count(UNMEASURED) == 1


def test_figures_of_other_networks_do_not_get_into_a_card(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(json.dumps({"networks": "another"}))
    with pytest.raises(DataError, match="measured on other networks"):
        write_card(bundle, tmp_path)


def test_a_card_without_outcomes_holds_no_measured_figure() -> None:
    assert "segmentation network" not in card(fake_bundle().manifest, {})
    text = card(fake_bundle(lungs=True).manifest, {})
    assert not re.search(r"\d\.\d{3}|\(\d+\.\d", text)


def test_any_labelled_folder_is_evaluated(data: Path, bundle: Path, tmp_path: Path) -> None:
    output = run(
        "evaluate", data / "children_11_to_17", "--bundle", bundle, "--run", tmp_path / "run"
    )
    assert "4 films of 4 patients" in re.sub(r"\s+", " ", output)
    written = json.loads((tmp_path / "run/evaluate-children_11_to_17.json").read_text())
    assert written["auc"] is None
    assert written["specificity"]["n"] == 4


@pytest.mark.usefixtures("bundle")
def test_a_bundle_that_finds_no_lungs_needs_masks(data: Path, tmp_path: Path) -> None:
    blind = write_bundle(tmp_path / "blind", lungs=False)
    arguments = [data / "chest_xray", "--bundle", blind, "--run", tmp_path / "run"]
    result = CliRunner().invoke(app, ["frame-exchange", *map(str, arguments)])
    assert isinstance(result.exception, DataError)
    assert "Give --masks" in str(result.exception)
