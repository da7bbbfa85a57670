"""Where the features of a network that samples its image lie on the frame."""

from typing import Any

import numpy as np
import pytest

from service.imaging import InputSpec
from service.inference.engines.fused import fuse

pytestmark = pytest.mark.tensorflow

SIDE = 32
SPEC = InputSpec(height=SIDE, width=SIDE)
IMAGES = np.random.default_rng(0).uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)


def sampled(keras: Any, *, first: int, side: int, crop: Any = None, axes: Any = (2, 2)) -> Any:
    """A network that looks at ``side`` rows and columns from ``first`` on, in cells of 4 pixels."""
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 1))
    x = image if crop is None else crop(image)
    length = x.shape[1]
    one = layers.GlobalAveragePooling2D()(layers.Rescaling(0.0, offset=1.0)(x))
    chosen = np.eye(length)[first : first + side]
    weights = layers.Dense(side * length, use_bias=False)
    picked = layers.Reshape((side, length))(weights(one))
    weights.set_weights([chosen.reshape(1, -1)])
    plane = layers.Reshape((length, length))(x)
    rows = layers.Dot((2, 1))([picked, plane])
    square = layers.Reshape((side, side, 1))(layers.Dot(axes)([rows, picked]))
    cells = layers.AveragePooling2D(4)(square)
    pooled = layers.GlobalAveragePooling2D()(cells)
    return keras.Model(image, layers.Dense(1, "sigmoid", kernel_initializer="ones")(pooled))


def whole(keras: Any) -> Any:
    """A network of 4 x 4 cells over the whole frame."""
    image = keras.Input((SIDE, SIDE, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.AveragePooling2D(8)(image))
    return keras.Model(image, keras.layers.Dense(1, "sigmoid")(pooled))


def test_what_was_sampled_is_shown_where_it_was_taken_from(keras: Any) -> None:
    probabilities, maps = fuse([sampled(keras, first=4, side=16)], SPEC).model(IMAGES)
    assert maps.shape == (3, 1, 8, 8)  # cells of 4 pixels: those of the features, and no finer

    taken = IMAGES[:, 4:20, 4:20, 0].reshape(3, 4, 4, 4, 4).mean(axis=(2, 4)) / 16
    np.testing.assert_allclose(maps[:, 0, 1:5, 1:5], taken, atol=1e-6)
    outside = np.asarray(maps).copy()
    outside[:, :, 1:5, 1:5] = 0
    assert not outside.any()
    logits = np.log(probabilities / (1 - probabilities))
    np.testing.assert_allclose(np.sum(maps, axis=(2, 3)), logits, atol=1e-5)


def test_networks_that_sample_and_that_do_not_share_a_grid(keras: Any) -> None:
    fused = fuse([whole(keras), sampled(keras, first=0, side=SIDE)], SPEC)
    probabilities, maps = fused.model(IMAGES)
    assert fused.without_maps == ""
    assert maps.shape == (3, 2, 16, 16)
    logits = np.log(probabilities / (1 - probabilities))
    np.testing.assert_allclose(np.sum(maps, axis=(2, 3)), logits, atol=1e-5)


def test_a_network_that_crops_and_samples_has_no_map(keras: Any) -> None:
    cropped = sampled(keras, first=0, side=8, crop=keras.layers.Cropping2D(4))
    assert fuse([cropped], SPEC).without_maps


def test_products_of_another_kind_are_no_sampling(keras: Any) -> None:
    assert fuse([sampled(keras, first=0, side=SIDE, axes=(1, 1))], SPEC).without_maps
