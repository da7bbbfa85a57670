"""The member that is cut out of a trained network."""

from typing import Any

import keras
import numpy as np
import pytest

from service.imaging import InputSpec
from training.config import Architecture
from training.convolution import carry
from training.localiser import PREFIX
from training.networks import PNEUMONIA, build_localiser, build_trainable, member_of

pytestmark = pytest.mark.tensorflow

SPEC = InputSpec(height=48, width=48)
SHAPES = [
    Architecture(stem_width=4, widths=(8, 8), depths=(1, 1)),
    Architecture(view="local-contrast", stem_width=4, widths=(8, 12), depths=(1, 2), squeeze=True),
    Architecture(view="lung-field", stem_width=4, widths=(8, 8), depths=(1, 1)),
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


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.view)
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


def test_the_label_does_not_teach_what_finds_the_lungs() -> None:
    model = build_trainable(SPEC, SHAPES[2])
    trained = [weight.path for weight in model.trainable_weights]
    assert trained
    assert not any(path.startswith(PREFIX) for path in trained)


def test_views_of_the_lungs_take_over_what_masks_have_taught() -> None:
    keras.utils.set_random_seed(3)
    lungs, whole = build_localiser(SPEC), build_trainable(SPEC, SHAPES[2])
    carry(lungs, whole)
    images = np.random.default_rng(1).random((2, 48, 48, 1), dtype=np.float32)
    finder = keras.Model(whole.inputs[0], whole.get_layer(f"{PREFIX}answer").output)
    np.testing.assert_allclose(
        np.asarray(finder(images, training=True)), np.asarray(lungs(images)), atol=1e-6
    )
