"""The member that is cut out of a trained network."""

from typing import Any

import keras
import numpy as np
import pytest

from service.imaging import InputSpec
from training.config import Architecture
from training.networks import PNEUMONIA, build_trainable, member_of

pytestmark = pytest.mark.tensorflow

SPEC = InputSpec(height=48, width=48)
SHAPES = [
    Architecture(stem_width=4, widths=(8, 8), depths=(1, 1)),
    Architecture(view="local-contrast", stem_width=4, widths=(8, 12), depths=(1, 2), squeeze=True),
]


def _trained(shape: Architecture) -> Any:
    """A network whose normalisations have seen something."""
    keras.utils.set_random_seed(0)
    model = build_trainable(SPEC, shape)
    rng = np.random.default_rng(0)
    # From half to one and a half of 1 for scales and variances, around 0 for the rest.
    for layer in model.layers:
        if layer.name.endswith("_norm"):
            scale, _, _, variance = layer.get_weights()
            low, high = rng.uniform(0.5, 1.5, (2, *scale.shape))
            layer.set_weights([low, low - 1, high - 1, variance * high])
    return model


@pytest.mark.parametrize("shape", SHAPES, ids=["whole-frame", "local-contrast"])
def test_the_member_answers_as_the_trained_network(shape: Architecture) -> None:
    images = np.random.default_rng(1).random((4, 48, 48, 1), dtype=np.float32)
    trained = _trained(shape)
    member = member_of(trained, SPEC, shape)
    answers = np.asarray(member(images))
    expected = np.asarray(trained(images, training=False)[PNEUMONIA])
    np.testing.assert_allclose(answers, expected, atol=5e-4)
    assert np.ptp(expected) > 1e-3  # or any network would pass
    assert not any("norm" in layer.name for layer in member.layers)


def test_the_member_s_convolutions_are_numbers_of_16_bits() -> None:
    member = member_of(_trained(SHAPES[1]), SPEC, SHAPES[1])
    kernels = [weights for weights in member.get_weights() if weights.ndim == 4]
    assert kernels
    for kernel in kernels:
        np.testing.assert_array_equal(kernel.astype(np.float16).astype(np.float32), kernel)
