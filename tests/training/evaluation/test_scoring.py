"""The table of scores: the service's own reading, what is refused, and what is kept."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from service.imaging import decode, prepare
from service.inference import Calibration, Ensemble
from tests.fake_engine import FakeEngine, fake_bundle, fake_ensemble
from tests.training.evaluation.made_up import write_films
from training.data import DataError
from training.evaluation.films import Film, read_folder
from training.evaluation.folds import FoldBundles
from training.evaluation.pipeline import Pipeline
from training.evaluation.scoring import (
    CLEAN,
    NOT_APPLICABLE,
    answered,
    member_probabilities,
    perturbed,
    probabilities,
    score,
    score_once,
    unchanged,
)


@pytest.fixture
def films(tmp_path: Path) -> list[Film]:
    return list(read_folder(write_films(tmp_path / "set", {"NORMAL": 3, "PNEUMONIA": 2})).films)


def test_probabilities_are_those_of_the_service(films: list[Film]) -> None:
    ensemble = fake_ensemble()
    table = score(Pipeline(ensemble), films)
    spec = ensemble.bundle.manifest.input
    for row, film in enumerate(films):
        [expected] = ensemble.score(prepare(decode(film.path.read_bytes()), spec)[np.newaxis])
        manifest = ensemble.bundle.manifest
        assert probabilities(table, manifest)[row] == pytest.approx(expected.probability, abs=1e-6)
        members = member_probabilities(table, manifest)
        for member in expected.members:
            assert members[member.name][row] == pytest.approx(member.probability, abs=1e-6)
    assert table["label"].tolist() == [0, 0, 0, 1, 1]


def test_files_that_cannot_be_read_are_named_with_the_reason(films: list[Film]) -> None:
    films[1].path.write_bytes(b"no image at all")
    Image.new("L", (64, 64), 7).save(films[3].path)
    table = score(Pipeline(fake_ensemble()), films)
    assert table["refused"].tolist() == [
        "",
        "UnsupportedFormatError",
        "",
        "UnusableRadiographError",
        "",
    ]
    assert answered(table)["file"].tolist() == [films[n].file for n in (0, 2, 4)]
    clean = score(Pipeline(fake_ensemble()), [films[n] for n in (0, 2, 4)])
    manifest = fake_bundle().manifest
    assert probabilities(answered(table), manifest) == pytest.approx(probabilities(clean, manifest))


def test_a_condition_changes_what_the_networks_see(films: list[Film]) -> None:
    pipeline = Pipeline(fake_ensemble())
    dark = score(pipeline, films, perturbed(lambda picture: picture.point(lambda level: level / 2)))
    clean = score(pipeline, films)
    assert (dark["logit:mean"] < clean["logit:mean"]).all()
    assert dark["mean"].to_numpy() == pytest.approx(clean["mean"].to_numpy() / 2, abs=1)
    never = score(pipeline, films, lambda _film, _picture: None)
    assert set(never["refused"]) == {NOT_APPLICABLE}


def test_scores_are_kept_and_outlive_a_new_calibration(films: list[Film], tmp_path: Path) -> None:
    engine = FakeEngine()
    first = score_once(Pipeline(fake_ensemble(engine)), films, CLEAN, unchanged, tmp_path / "kept")
    calls = engine.calls
    bundle = fake_bundle()
    steeper = Calibration(method="platt", slope=3.0, intercept=-1.0, fitted_on="nothing")
    manifest = bundle.manifest.model_copy(update={"calibration": steeper})
    again = Pipeline(Ensemble(type(bundle)(bundle.directory, manifest, "", "manifest"), engine))
    second = score_once(again, films, CLEAN, unchanged, tmp_path / "kept")
    assert engine.calls == calls
    pd.testing.assert_frame_equal(first, second)
    assert (
        np.argsort(probabilities(second, manifest)).tolist()
        == np.argsort(probabilities(first, bundle.manifest)).tolist()
    )
    score_once(again, films[:-1], CLEAN, unchanged, tmp_path / "kept")
    assert engine.calls > calls


class Always:
    """An engine that gives one score to every film."""

    name = "always"
    precision = "fp32"

    def __init__(self, value: float) -> None:
        self._value = value

    def scores(self, batch: np.ndarray) -> np.ndarray:
        return np.full((len(batch), 2), self._value, dtype=np.float32)

    def explain(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


def always(value: float, sha: str = "a") -> Pipeline:
    """A bundle of which every fold has its own networks."""
    bundle = fake_bundle()
    members = tuple(m.model_copy(update={"sha256": sha * 64}) for m in bundle.manifest.members)
    manifest = bundle.manifest.model_copy(update={"members": members})
    changed = type(bundle)(bundle.directory, manifest, "", "manifest")
    return Pipeline(Ensemble(changed, Always(value)))  # type: ignore[arg-type]


def test_each_film_is_read_by_the_bundle_of_its_own_fold(films: list[Film], tmp_path: Path) -> None:
    assigned = {film.patient: number % 2 for number, film in enumerate(films)}
    bundles = FoldBundles({0: always(0.25, "a"), 1: always(0.75, "b")}, assigned)
    table = bundles.score(films, CLEAN, unchanged, tmp_path / "kept")
    logits = np.where(table["fold"] == 0, -np.log(3), np.log(3))
    assert table["logit:mean"].to_numpy() == pytest.approx(logits, abs=1e-5)
    assert {row.patient: row.fold for row in table.itertuples()} == assigned
    assert bundles.is_out_of_fold
    assert bundles.pipeline_of(films[1]) is bundles.pipelines[1]


def test_films_of_no_fold_are_refused(films: list[Film], tmp_path: Path) -> None:
    bundles = FoldBundles({0: always(0.5)}, {films[0].patient: 0, films[1].patient: 3})
    with pytest.raises(DataError, match="4 films are of patients that no bundle holds out"):
        bundles.score(films, CLEAN, unchanged, tmp_path)
    assert [bundles.reads(film) for film in films] == [True, False, False, False, False]


def test_fold_bundles_lie_in_numbered_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no bundles"):
        FoldBundles.open(tmp_path, tmp_path)


def test_the_same_bytes_under_another_name_are_scored_alike(
    films: list[Film], tmp_path: Path
) -> None:
    shutil.copy(films[0].path, tmp_path / "copy.png")
    copy = Film(tmp_path / "copy.png", "NORMAL/copy.png", 0, "other", "set")
    table = score(Pipeline(fake_ensemble()), [films[0], copy])
    assert table["logit:checksum"].nunique() == 1
