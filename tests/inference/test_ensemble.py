"""A bundle and its engine answer with calibrated probabilities, and nothing else gets through."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.inference import (
    Agreement,
    BundleError,
    Calibration,
    Compiled,
    Ensemble,
    Golden,
    LoadedEngine,
    NotExplainableError,
    Precision,
    Quantised,
    golden_inputs,
    load_ensemble,
    open_bundle,
)
from service.inference import load as load_module
from tests.inference.crafted import write_bundle


class _FixedEngine:
    """Answers every image with the same scores."""

    name = "fixed"

    def __init__(
        self,
        *scores: float,
        maps: NDArray[np.float32] | None = None,
        precision: Precision = "fp32",
    ) -> None:
        self._scores = np.array(scores, np.float32)
        self._maps = maps
        self.precision = precision

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tile(self._scores, (len(batch), 1))

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._maps is None:
            raise NotExplainableError
        return self.scores(batch), np.stack([self._maps] * len(batch))


def _ensemble(directory: Path, *scores: float, **changes: Any) -> Ensemble:
    bundle = open_bundle(write_bundle(directory, **changes))
    return Ensemble(bundle, _FixedEngine(*scores))


def _batch(size: int = 1) -> NDArray[np.float32]:
    return np.zeros((size, 32, 32, 1), np.float32)


def test_a_score_names_every_member_in_order(tmp_path: Path) -> None:
    ensemble = _ensemble(tmp_path, 0.25, 0.75)

    first, second = ensemble.score(_batch(2))

    assert first == second
    assert first.probability == 0.5
    assert [(member.name, member.probability) for member in first.members] == [
        ("first", 0.25),
        ("second", 0.75),
    ]
    assert (ensemble.engine_name, ensemble.bundle.manifest.name) == ("fixed", "crafted")


def test_a_score_is_calibrated(tmp_path: Path) -> None:
    calibration = Calibration(method="platt", slope=0.5)

    (score,) = _ensemble(tmp_path, 0.9, 0.9, calibration=calibration).score(_batch())

    assert score.probability == pytest.approx(0.75)
    assert score.members[0].probability == pytest.approx(0.75)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.01, 1.01])
def test_what_is_not_a_probability_is_refused(tmp_path: Path, bad: float) -> None:
    with pytest.raises(BundleError, match=r"^The network second.keras gave a score that is not"):
        _ensemble(tmp_path, 0.5, bad).score(_batch())


def test_an_engine_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not give one score for each network"):
        _ensemble(tmp_path, 0.5, 0.5, 0.5).score(_batch())


def _explaining(directory: Path, maps: NDArray[np.float32]) -> Ensemble:
    calibration = Calibration(method="platt", slope=0.5)
    bundle = open_bundle(write_bundle(directory, calibration=calibration))
    return Ensemble(bundle, _FixedEngine(0.25, 0.75, maps=maps))


def test_an_explanation_has_the_score_and_each_members_map(tmp_path: Path) -> None:
    maps = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    ensemble = _explaining(tmp_path, maps)

    explained = ensemble.explain(_batch(2))

    assert [each.score for each in explained] == ensemble.score(_batch(2))
    assert all(np.array_equal(each.maps, maps) for each in explained)


def test_networks_without_maps_are_not_explained(tmp_path: Path) -> None:
    with pytest.raises(NotExplainableError, match="global average pooling and one dense unit"):
        _ensemble(tmp_path, 0.5, 0.5).explain(_batch())


@pytest.mark.parametrize(
    "maps", [np.zeros((3, 2, 2)), np.zeros((1, 2, 2)), np.full((2, 2, 2), np.nan)]
)
def test_what_is_not_a_map_for_each_network_is_refused(
    tmp_path: Path, maps: NDArray[np.float32]
) -> None:
    with pytest.raises(BundleError, match="does not give one map for each network"):
        _explaining(tmp_path, maps).explain(_batch())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading gives an engine that answers 0.25 and 0.75."""

    def load(*_: object, **__: object) -> LoadedEngine:
        return LoadedEngine(_FixedEngine(0.25, 0.75))

    monkeypatch.setattr(load_module, "load_engine", load)


@pytest.mark.usefixtures("engine")
def test_golden_answers_within_their_tolerance_pass(tmp_path: Path) -> None:
    golden = tuple(
        Golden(kind=kind, probabilities=(0.2505, 0.7495))
        for kind in golden_inputs(_manifest_input(tmp_path))
    )

    ensemble = load_ensemble(write_bundle(tmp_path, golden=golden), threads=1)

    assert dict(ensemble.bundle.contents) == {}


@pytest.mark.usefixtures("engine")
def test_a_golden_answer_out_of_tolerance_is_refused(tmp_path: Path) -> None:
    golden = (
        Golden(kind="ramp", probabilities=(0.25, 0.75)),
        Golden(kind="chest", probabilities=(0.25, 0.7488)),
    )

    with pytest.raises(BundleError) as caught:
        load_ensemble(write_bundle(tmp_path, golden=golden), threads=1)

    assert caught.value.message == (
        "The network second.keras answers the test image 'chest' with 0.7500 "
        "where the manifest expects 0.7488."
    )


@pytest.mark.parametrize(("precision", "asked"), [("fp32", 0.25), ("int8", 0.35)])
def test_each_precision_has_golden_answers_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision, asked: float
) -> None:
    def load(*_: object, **__: object) -> LoadedEngine:
        return LoadedEngine(_FixedEngine(asked, 0.75, precision=precision))

    monkeypatch.setattr(load_module, "load_engine", load)
    int8 = Quantised(
        file="ensemble.int8.onnx",
        sha256="0" * 64,
        agreement=Agreement(images=1, largest_difference=0.1, verdicts_changed=0),
        golden=(Golden(kind="ramp", probabilities=(0.345, 0.755), tolerance=0.01),),
    )
    models = write_bundle(
        tmp_path,
        golden=(Golden(kind="ramp", probabilities=(0.25, 0.75)),),
        compiled=Compiled(file="ensemble.onnx", sha256="0" * 64, sources={}, int8=int8),
    )

    assert load_ensemble(models, threads=1).precision == precision


def _manifest_input(directory: Path) -> Any:
    return open_bundle(write_bundle(directory)).manifest.input
