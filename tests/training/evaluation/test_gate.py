"""The gate is fitted, its limits chosen and its shares measured on pictures that are drawn here."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from service.inference import LungsEntry, Manifest, Novelty, Precision, load_ensemble
from service.inference.novelty import read_novelty
from service.lungs import AS_RECEIVED, POSES, Look, Pose, find_lungs
from tests.inference.test_novelty import looking
from tests.phantom import phantom
from tests.tiny_bundle import LUNGS_FILE, LUNGS_SIDE, save_network, write_tiny_bundle
from training.__main__ import app
from training.data import DataError
from training.evaluation.gate import Floats, choose_limits, fit_novelty, fit_others, judge, see
from training.evaluation.other_pictures import COUNT, other_pictures
from training.evaluation.suitability import halves, pictures_in

ENTRY = LungsEntry(file="lungs.keras", sha256="0" * 64, side=64)
GENERATOR = np.random.default_rng(7)


def looks(count: int, distance: float, *, doubt: float = 0.05, spread: float = 1.0) -> list[Look]:
    """Looks at films whose distances and doubts are drawn."""
    probabilities = np.full((64, 64), 0.02, np.float32)
    probabilities[16:48, 12:28] = probabilities[16:48, 36:52] = 0.98
    field = find_lungs(probabilities, 64, 64)
    assert field is not None
    return [
        Look(
            AS_RECEIVED,
            dataclasses.replace(
                field, quality=1 - min(1.0, doubt * float(GENERATOR.exponential()))
            ),
            float(GENERATOR.normal(distance, spread)),
        )
        for _ in range(count)
    ]


class TestFit:
    def test_without_others_it_is_the_plain_mahalanobis_distance(self) -> None:
        features = GENERATOR.normal(size=(4000, 5)).astype(np.float32) * [1, 2, 3, 4, 5]
        novelty = fit_novelty(features.astype(np.float32), np.empty((0, 0), np.float32))
        point = np.array([[0, 0, 0, 0, 10]], np.float32)
        assert novelty.distances(point)[0] == pytest.approx(2, abs=0.1)

    def test_few_films_of_others_count_for_much(self) -> None:
        training = GENERATOR.normal(size=(3000, 3)).astype(np.float32)
        others = GENERATOR.normal((6, 0, 0), size=(60, 3)).astype(np.float32)
        alone = fit_novelty(training, np.empty((0, 3), np.float32))
        together = fit_novelty(training, others)
        assert together.distances(others).mean() < alone.distances(others).mean() / 2
        assert together.distances(training).mean() < 3


class TestLimits:
    def test_so_many_true_films_lie_beyond_each(self) -> None:
        children, others = looks(4000, 10, doubt=0.03), looks(2000, 14, doubt=0.08)
        limits = choose_limits(children, others)
        far = [look.distance or 0 for look in others]
        assert np.mean(np.array(far) > limits.warn_distance) == pytest.approx(0.03, abs=0.006)
        assert np.mean(np.array(far) > limits.refuse_distance) <= 0.0055
        quality = np.array([look.field.quality for look in others if look.field])
        assert np.mean(quality < limits.warn_quality) == pytest.approx(0.03, abs=0.006)
        assert np.mean(quality < limits.refuse_quality) <= 0.005

    def test_where_doubts_come_together_the_warning_comes_later(self) -> None:
        """Two doubts are a refusal, so they may not be common in true films."""
        plain = choose_limits(looks(2000, 10), looks(900, 10))
        poor = looks(100, 30, doubt=0.0)
        poor = [
            dataclasses.replace(look, field=dataclasses.replace(look.field, quality=0.7))
            for look in poor
            if look.field
        ]
        limits = choose_limits(looks(2000, 10), [*looks(900, 10), *poor])
        assert limits.warn_quality <= 0.7 < plain.warn_quality

    def test_the_warning_never_comes_after_the_refusal(self) -> None:
        limits = choose_limits(looks(20, 10), [])
        assert limits.warn_distance <= limits.refuse_distance
        assert limits.warn_quality >= limits.refuse_quality


def fit_aside() -> tuple[Novelty, Floats, Floats]:
    """Films, and few other pictures that lie aside in one direction; half of these are fitted."""
    generator = np.random.default_rng(3)
    films = generator.normal(size=(2000, 8)).astype(np.float32)
    others = generator.normal(size=(24, 8)).astype(np.float32)
    others[:, 2] += 5
    nothing = np.empty((0, 8), np.float32)
    novelty = fit_others(fit_novelty(films, nothing), films, nothing, {"aside": others[::2]})
    return novelty, films, others[1::2]


class TestOtherPictures:
    def test_pictures_that_were_not_fitted_are_told_from_films(self) -> None:
        novelty, films, others = fit_aside()
        of_films, of_others = novelty.otherness(films), novelty.otherness(others)
        assert of_films is not None
        assert of_others is not None
        assert np.quantile(of_films, 0.99) < of_others.min()
        # The distance alone does not tell them: they are not far in most directions.
        assert np.quantile(novelty.distances(films), 0.99) > novelty.distances(others).min()

    def test_the_score_is_kept_in_the_file(self, tmp_path: Path) -> None:
        novelty, films, _ = fit_aside()
        novelty.write(tmp_path / "suitability.npz")
        read = read_novelty((tmp_path / "suitability.npz").read_bytes(), file="suitability.npz")
        kept, first = read.otherness(films), novelty.otherness(films)
        assert kept is not None
        assert first is not None
        assert np.array_equal(kept, first)

    def test_few_films_are_refused_for_it(self) -> None:
        def scored(count: int, mean: float) -> list[Look]:
            return [
                dataclasses.replace(look, otherness=float(GENERATOR.normal(mean, 1)))
                for look in looks(count, 10)
            ]

        children, others = scored(4000, -6), scored(2000, -4)
        limits = choose_limits(children, others)
        assert limits.warn_otherness is not None
        assert limits.refuse_otherness is not None
        found = np.array([look.otherness for look in others])
        assert np.mean(found > limits.warn_otherness) == pytest.approx(0.03, abs=0.006)
        assert 0.002 < np.mean(found > limits.refuse_otherness) <= 0.0045
        assert choose_limits(looks(50, 10), []).refuse_otherness is None

    def test_without_other_pictures_there_is_no_score(self) -> None:
        films = GENERATOR.normal(size=(100, 4)).astype(np.float32)
        novelty = fit_novelty(films, np.empty((0, 4), np.float32))
        assert fit_others(novelty, films, films[:0], {}).otherness(films) is None


def test_what_belongs_together_stays_in_one_half() -> None:
    names = ("7_1.png", "7_2.png", "8-a.png", "9_1.png", "9_2.png", "x.png")
    first, second = halves([Path(name) for name in names])
    assert [path.name for path in first] == ["7_1.png", "7_2.png", "9_1.png", "9_2.png"]
    assert [path.name for path in second] == ["8-a.png", "x.png"]


class Quarters:
    """Finds the dark lungs of a square drawing; its features are the means of its quarters."""

    name = "quarters"
    precision: Precision = "fp32"

    def probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(np.abs(batch[..., 0] - 0.25) < 0.1, np.float32(0.98), np.float32(0.02))

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        half = batch.shape[1] // 2
        cells = batch[..., 0].reshape(len(batch), 2, half, 2, half).mean(axis=(2, 4))
        return self.probabilities(batch), cells.reshape(len(batch), 4)


def drawing(seed: int) -> bytes:
    """Two lungs and a bright belly."""
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    noise = np.random.default_rng(seed).normal(0, 6, (256, 256))
    levels = np.full((256, 256), 150.0)
    levels[200:] = 230
    levels[50:190, 40:110] = levels[50:190, 146:216] = 64
    buffer = io.BytesIO()
    Image.fromarray(np.clip(levels + noise, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("received", POSES)
def test_films_are_judged_as_if_they_had_been_received_in_a_pose(received: Pose) -> None:
    seen = see(Quarters(), ENTRY, [drawing(seed) for seed in range(40)], poses=POSES)
    novelty = fit_novelty(
        np.stack([each.features[0] for each in seen[::2]]), np.empty((0, 4), np.float32)
    )
    limits = choose_limits([each.look(AS_RECEIVED, novelty) for each in seen[1::2]], [])
    found = judge(seen[1], novelty, limits, received)
    expected = {
        "negative": received.inverted,
        "upside_down": received.turns == 2,
        "rotated": received.turns in {1, 3},
    }
    assert found.refusal is None
    assert set(found.warnings) == {code for code, applies in expected.items() if applies}


def test_other_pictures_are_the_same_each_time() -> None:
    first, second = (list(other_pictures(3)) for _ in range(2))
    assert first == second
    kinds = [kind for kind, _ in first]
    assert {kinds.count(kind) for kind in ("text", "drawing", "phantom", "noise", "gradient")} == {
        COUNT
    }
    assert "natural" in kinds


def test_pictures_are_spread_over_a_folder(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.png").touch()
    (tmp_path / "notes.txt").touch()
    assert [path.stem for path in pictures_in(tmp_path, 3)] == ["0", "4", "9"]
    assert len(pictures_in(tmp_path, 100)) == 10
    with pytest.raises(DataError, match="no pictures"):
        pictures_in(tmp_path / "nothing", 3)


@pytest.mark.tensorflow
def test_the_commands_write_a_bundle_that_verifies(tmp_path: Path) -> None:
    """The network takes each picture for its own lungs; phantoms of other seeds are alike to it."""
    models, films = tmp_path / "models", tmp_path / "films"
    write_tiny_bundle(models, pooled=True, views=("lung_field", "lungs_only"))
    save_network(looking(LUNGS_SIDE), models / LUNGS_FILE)
    manifest = Manifest.read(models / "ensemble.json")
    assert manifest.lungs is not None
    from service.inference import file_sha256  # noqa: PLC0415

    sha256 = file_sha256(models / LUNGS_FILE)
    lungs = manifest.lungs.model_copy(update={"sha256": sha256, "golden": ()})
    manifest.model_copy(update={"lungs": lungs}).write(models / "ensemble.json")
    films.mkdir()
    for seed in range(16):
        phantom(seed).save(films / f"{seed:02}.png")
    run, table = tmp_path / "run", tmp_path / "answers.csv"
    runner = CliRunner()
    common = ["--bundle", str(models), "--run", str(run)]
    sets = ["--fit", f"same={films}", "--other", f"also={films}"]
    result = runner.invoke(app, ["suitability", str(films), *sets, *common])
    assert result.exit_code == 0, result.output
    rows = [f"{i % 2},{0.2 + 0.5 * (i % 2) + 0.001 * i},{i % 3}" for i in range(90)]
    table.write_text("label,probability,fold\n" + "\n".join(rows))
    result = runner.invoke(app, ["conformal", str(table), "--error", "0.1", *common])
    assert result.exit_code == 0, result.output
    written = load_ensemble(models, threads=1).bundle.manifest
    assert written.suitability is not None
    assert written.indeterminate is not None
    assert written.indeterminate.lower <= 0.45 <= written.indeterminate.upper
    report = json.loads((run / "suitability.json").read_text())
    assert report["sha256"] == written.suitability.sha256
    assert report["metrics"]["frontal"]["same"]["pictures"] == 4
    assert report["metrics"]["other"]["text"]["pictures"] == COUNT // 2
    assert "| text | 6 |" in (run / "suitability.md").read_text()
    assert "| target |" in (run / "conformal.md").read_text()
