"""The synthetic radiographs are the same everywhere and ever."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from service.imaging import InputSpec
from service.inference import NotExplainableError, Precision, golden_inputs, make_golden


class _MeanEngine:
    """Answers with the image's mean, and one minus that."""

    name = "mean"
    precision: Precision = "fp32"

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        means = batch.mean(axis=(1, 2, 3))
        return np.stack([means, 1 - means], axis=1)

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        raise NotExplainableError


@pytest.mark.parametrize(
    "spec", [InputSpec(), InputSpec(192, 224, 3, 1.0, "box"), InputSpec(16, 16)]
)
def test_inputs_have_the_shape_and_range_of_prepared_radiographs(spec: InputSpec) -> None:
    for image in golden_inputs(spec).values():
        assert image.shape == (spec.height, spec.width, spec.channels)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 255 * spec.scale * (1 + 1e-6)


def test_inputs_are_equal_each_time_and_differ_from_each_other() -> None:
    first, again = golden_inputs(InputSpec()), golden_inputs(InputSpec())

    assert list(first) == ["ramp", "checker", "chest"]
    assert all(np.array_equal(first[kind], again[kind]) for kind in first)
    assert all(np.abs(one - other).mean() > 0.05 for one, other in pairwise(first.values()))


def test_inputs_never_change() -> None:
    """Manifests in use hold answers to just these."""
    found = {
        kind: (float(image.mean() * 255), float(image.std() * 255))
        for kind, image in golden_inputs(InputSpec()).items()
    }

    assert found["ramp"] == pytest.approx((127.66, 52.17), abs=0.02)
    assert found["checker"] == pytest.approx((128.0, 99.41), abs=0.02)
    assert found["chest"] == pytest.approx((137.56, 41.44), abs=0.02)


def test_golden_records_what_each_member_answers() -> None:
    golden = make_golden(_MeanEngine(), InputSpec())

    assert [entry.kind for entry in golden] == ["ramp", "checker", "chest"]
    for entry, image in zip(golden, golden_inputs(InputSpec()).values(), strict=True):
        mean = float(image.mean())
        assert entry.probabilities == pytest.approx((mean, 1 - mean), abs=1e-5)
        assert entry.tolerance == 1e-3


def test_golden_records_how_far_an_answer_may_stray() -> None:
    golden = make_golden(_MeanEngine(), InputSpec(), tolerance=0.01)

    assert {entry.tolerance for entry in golden} == {0.01}
