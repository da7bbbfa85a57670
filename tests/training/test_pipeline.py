"""From a data folder to a verified bundle, on phantoms: every command a researcher would run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from service.imaging import decode, prepare
from service.inference.bundle import open_bundle
from service.inference.ensemble import load_ensemble
from service.inference.probability import calibrate
from tests.training.conftest import PATIENTS, write_data_set
from training.__main__ import app
from training.data import DataError

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(300),
    # Keras' TensorFlow backend has not followed NumPy 2 in training, nor its ONNX export.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

RECIPE = """
name = "{name}"
seed = {seed}
[input]
height = 32
width = 32
[architecture]
view = "{view}"
stem_width = 4
widths = [8]
depths = [1]
squeeze = {squeeze}
[augmentation]  # mild, so that little training is enough
sides = [40, 60]
flip = 0
gamma = 0.1
contrast = 0.1
brightness = 0.02
equalise = 0
noise = 0
blank = 0
[schedule]
epochs = 6
images_per_epoch = 96
batch = 16
learning_rate = 0.01
workers = 1
"""
FOLDS = (0, 2)


class Workshop:
    """A data folder, two recipes and the commands on them."""

    def __init__(self, root: Path) -> None:
        self.data = write_data_set(root / "chest_xray", side=40)
        self.runs = root / "runs"
        self.models = root / "models"
        self.recipes = [root / "first.toml", root / "second.toml"]
        self.recipes[0].write_text(
            RECIPE.format(name="first", seed=1, view="whole-frame", squeeze="false")
        )
        self.recipes[1].write_text(
            RECIPE.format(name="second", seed=2, view="local-contrast", squeeze="true")
        )

    def run(self, *arguments: str | Path) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    def run_all(self) -> str:
        folds = [part for fold in FOLDS for part in ("--fold", str(fold))]
        return self.run(
            "all", *self.recipes, "--data", self.data, "--runs", self.runs,
            "--target", self.models, "--version", "7", *folds,
        )  # fmt: skip


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    made = Workshop(tmp_path_factory.mktemp("workshop"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.compile.MIN_IMAGES", PATIENTS)
        made.run_all()
    return made


def test_the_bundle_verifies_and_carries_its_protocol(workshop: Workshop) -> None:
    manifest = load_ensemble(workshop.models, threads=1).bundle.manifest
    assert manifest.version == "7"
    assert [member.name for member in manifest.members] == ["whole-frame", "local-contrast"]
    assert manifest.calibration.method == "platt"
    assert "Youden" in manifest.threshold.rule
    assert len(manifest.golden) > 0
    assert manifest.metrics is not None
    assert "folds [0, 2]" in manifest.metrics.protocol
    assert {path.name for path in workshop.models.iterdir()} == {
        "MODEL_CARD.md", "ensemble.json", "ensemble.onnx", "ensemble.schema.json",
        "modelo_2_ensamble.keras", "modelo_afinado_tuning.keras",
    }  # fmt: skip


def test_both_engines_give_the_bundles_answers(workshop: Workshop) -> None:
    compiled = load_ensemble(workshop.models, threads=1)
    keras = load_ensemble(workshop.models, threads=1, engine="tensorflow")
    assert (compiled.engine_name, keras.engine_name) == ("onnx", "tensorflow")
    images = np.random.default_rng(0).uniform(size=(16, 32, 32, 1)).astype(np.float32)
    for ours, theirs in zip(compiled.score(images), keras.score(images), strict=True):
        assert ours.probability == pytest.approx(theirs.probability, abs=1e-5)


def test_the_card_repeats_the_manifests_figures(workshop: Workshop) -> None:
    manifest = load_ensemble(workshop.models, threads=1).bundle.manifest
    card = (workshop.models / "MODEL_CARD.md").read_text()
    assert manifest.metrics is not None
    ensemble = manifest.metrics.figures["ensemble"]
    assert isinstance(ensemble, dict)
    auc = ensemble["auc"]
    assert isinstance(auc, dict)
    assert f"{auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f})" in card
    assert f"{manifest.threshold.value:g}" in card
    for heading in ("Intended use", "## Shortcut audit", "## Limits", "## How to reproduce"):
        assert heading in card


def test_a_recipe_that_refines_another_goes_on_from_its_member(workshop: Workshop) -> None:
    refined = workshop.recipes[0].with_name("refined.toml")
    text = RECIPE.format(name="refined", seed=1, view="whole-frame", squeeze="false")
    schedule = 'start = "first.toml"\n' + text.replace("epochs = 6", "epochs = 2\naverage = 2")
    refined.write_text(schedule.replace("learning_rate = 0.01", "learning_rate = 1e-9"))
    before = (workshop.runs / "first/fold-0/predictions.csv").read_text()
    workshop.run(
        "fit", refined, "--data", workshop.data, "--runs", workshop.runs, "--fold", "0"
    )  # fmt: skip
    run = workshop.runs / "refined/fold-0"
    assert json.loads((run / "summary.json").read_text())["recipe"]["start"]["name"] == "first"
    assert not any((run / "epochs").iterdir())
    assert (workshop.runs / "first/fold-0/predictions.csv").read_text() == before
    first, second = (
        np.loadtxt(
            workshop.runs / name / "fold-0/predictions.csv", delimiter=",", skiprows=1, usecols=4
        )
        for name in ("first", "refined")
    )
    # Hardly a step was taken, so that it is still the network it started from, but for the running
    # statistics of its normalisation.
    assert np.corrcoef(first, second)[0, 1] > 0.9


def test_a_start_that_kept_no_weights_is_named(workshop: Workshop, tmp_path: Path) -> None:
    shutil.copytree(workshop.runs, tmp_path / "runs")
    (tmp_path / "runs/first/fold-0/trained.weights.h5").unlink()
    text = RECIPE.format(name="again", seed=1, view="whole-frame", squeeze="false")
    again = workshop.recipes[0].with_name("again.toml")
    again.write_text('start = "first.toml"\n' + text)
    arguments = ["fit", again, "--data", workshop.data, "--runs", tmp_path / "runs", "--fold", "0"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, DataError)
    assert "holds no trained.weights.h5" in str(result.exception)


def test_out_of_fold_rows_are_patients_that_did_not_train(workshop: Workshop) -> None:
    for fold in FOLDS:
        run = workshop.runs / f"first/fold-{fold}"
        summary = json.loads((run / "summary.json").read_text())
        rows = (run / "predictions.csv").read_text().splitlines()
        assert summary["held_out_patients"] == len(rows) - 1
        assert summary["training_patients"] + summary["held_out_patients"] == 40
        assert (run / "log.csv").read_text().count("\n") == summary["epochs"] + 1


def test_the_served_member_answers_as_it_did_in_training(workshop: Workshop) -> None:
    """Held-out rows were scored through training's code; the engine must agree on a member."""
    import keras  # noqa: PLC0415

    ensemble = load_ensemble(workshop.models, threads=1)
    images = [
        prepare(decode(path.read_bytes()), ensemble.bundle.manifest.input)
        for path in sorted((workshop.data / "train/NORMAL").iterdir())[:4]
    ]
    served = ensemble.score(np.stack(images))
    trained = keras.saving.load_model(workshop.runs / "first/all/member.keras", compile=False)
    raw = np.asarray(trained(np.stack(images)))[:, 0]
    expected = calibrate(raw, ensemble.bundle.manifest.calibration)
    np.testing.assert_allclose([s.members[0].probability for s in served], expected, atol=1e-4)


def test_a_finished_run_is_not_trained_again(workshop: Workshop) -> None:
    member = workshop.runs / "first/all/member.keras"
    before = member.stat().st_mtime_ns
    for fold in (*(["--fold", str(fold)] for fold in FOLDS), []):
        workshop.run("fit", workshop.recipes[0], "--data", workshop.data,
                     "--runs", workshop.runs, *fold)  # fmt: skip
    assert member.stat().st_mtime_ns == before


def test_a_changed_recipe_does_not_take_over_another_recipes_run(workshop: Workshop) -> None:
    changed = workshop.runs.parent / "changed.toml"
    changed.write_text(workshop.recipes[0].read_text().replace("seed = 1", "seed = 8"))
    arguments = ("fit", changed, "--data", workshop.data, "--runs", workshop.runs)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "another recipe" in str(result.exception)


def test_an_interrupted_run_resumes_after_its_last_epoch(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras  # noqa: PLC0415

    from training import fit as module  # noqa: PLC0415

    class Interruption(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    arguments: list[str | Path] = ["fit", workshop.recipes[0], "--data", workshop.data]
    arguments += ["--fold", "4", "--runs", workshop.runs]
    with monkeypatch.context() as patch:
        patch.setattr(module, "BeginEpoch", lambda _: Interruption())
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 130
    log = workshop.runs / "first/fold-4/log.csv"
    assert log.read_text().count("\n") == 1 + 2
    workshop.run(*arguments)
    epochs = [line.split(",")[0] for line in log.read_text().splitlines()[1:]]
    assert epochs == ["0", "1", "2", "3", "4", "5"]


def test_calibrating_again_on_other_folds_changes_the_bundle_and_its_card(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.compile.MIN_IMAGES", PATIENTS)
    runs, models = tmp_path / "runs", shutil.copytree(workshop.models, tmp_path / "models")
    for name in ("first", "second"):
        shutil.copytree(workshop.runs / name / "fold-0", runs / name / "fold-0")
        shutil.copytree(workshop.runs / name / "fold-2", runs / name / "fold-4")
    before = open_bundle(models)
    output = workshop.run(
        "calibrate", *workshop.recipes, "--data", workshop.data, "--runs", runs,
        "--bundle", models,
    )  # fmt: skip
    changed = load_ensemble(models, threads=1).bundle
    assert "folds [0, 4]" in changed.manifest.calibration.fitted_on
    assert changed.digest != before.digest
    assert changed.manifest.golden == before.manifest.golden
    assert f"{changed.manifest.threshold.value:g}" in output
    assert f"slope {changed.manifest.calibration.slope:g}" in output
    assert "folds [0, 4]" in (models / "MODEL_CARD.md").read_text()


def test_a_bundle_of_other_recipes_is_not_calibrated(workshop: Workshop) -> None:
    manifest = (workshop.models / "ensemble.json").read_bytes()
    arguments = ["calibrate", *reversed(workshop.recipes), "--data", workshop.data]
    arguments += ["--runs", workshop.runs, "--bundle", workshop.models]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "do not come from second and first" in str(result.exception)
    assert (workshop.models / "ensemble.json").read_bytes() == manifest


def test_evaluation_prints_a_table_and_writes_figures(workshop: Workshop, tmp_path: Path) -> None:
    output = workshop.run(
        "evaluate", "--data", workshop.data, "--bundle", workshop.models,
        "--suite", "--prevalence", "0.1", "--out", tmp_path,
    )  # fmt: skip
    for word in ("auc", "sensitivity", "ppv", "mean AUC, suite", "prevalence 0.1"):
        assert word in output
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert figures["images"] == 42
    assert figures["patients"] == 40
    assert 0 <= figures["ensemble"]["auc"]["value"] <= 1
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "roc.png", "reliability.png", "confusion.png", "scores.png",
    }  # fmt: skip


def test_the_audit_lists_each_property_within_each_class(workshop: Workshop) -> None:
    output = workshop.run(
        "audit", "--data", workshop.data, "--bundle", workshop.models, "--runs", workshop.runs
    )
    for word in ("NORMAL", "PNEUMONIA", "file_bytes", "laplacian_variance", "border_brightness"):
        assert word in output


def test_the_first_look_reports_balance_and_leaks(workshop: Workshop) -> None:
    report = (workshop.runs / "eda/report.md").read_text()
    assert "42 images of 40 patients" in report
    assert "laplacian_variance" in report
    assert (workshop.runs / "eda/examples.png").stat().st_size > 1000
    assert (workshop.runs / "eda/images.csv").read_text().count("\n") == 43


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "--data", "nowhere"), "no folder nowhere"),
        (("fit", "none.toml", "--data", "nowhere"), "no folder nowhere"),
    ],
)
def test_a_wrong_folder_is_explained(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert message in str(result.exception)
