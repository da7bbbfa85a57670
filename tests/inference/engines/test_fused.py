"""Class activation maps split the very answer that is given, and lie where it comes from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.imaging import InputSpec
from service.inference.engines.fused import Fused, fuse

pytestmark = pytest.mark.tensorflow

SIDE = 32
SPEC = InputSpec(height=SIDE, width=SIDE)
IMAGES = np.random.default_rng(0).uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)


def run(fused: Fused) -> list[NDArray[np.float32]]:
    answers = fused.model(IMAGES, training=False)
    return [part.numpy() for part in (answers if isinstance(answers, list) else [answers])]


def network(keras: Any, end: Callable[[Any], Any], *, image: Any = None) -> Any:
    """A random network of 8 x 8 cells of 4 pixels, with a gate, up to ``end``."""
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 1)) if image is None else image
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([layers.Conv2D(5, 1, activation="sigmoid")(gate), x])
    x = layers.MaxPooling2D(2)(x)
    return keras.Model(image, end(x))


def shrunk(keras: Any, crop: Any = None, cell: int = 8) -> Any:
    """A network whose logit is the mean of its image, after a crop, by cells."""
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 1))
    x = layers.AveragePooling2D(cell)(image if crop is None else crop(image))
    dense = layers.Dense(1, "sigmoid", kernel_initializer="ones")
    return keras.Model(image, dense(layers.GlobalAveragePooling2D()(x)))


def pooled(keras: Any, x: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D()(x)


def explainable(keras: Any) -> dict[str, Any]:
    layers = keras.layers
    bias = keras.initializers.Constant(0.7)

    def plain(x: Any) -> Any:
        return layers.Dense(1, "sigmoid", bias_initializer=bias)(pooled(keras, x))

    def without_bias(x: Any) -> Any:
        return layers.Dense(1, "sigmoid", use_bias=False)(pooled(keras, x))

    def in_two_steps(x: Any) -> Any:
        dense = layers.Dense(1, bias_initializer=bias)(layers.Dropout(0.5)(pooled(keras, x)))
        return layers.Activation("sigmoid")(dense)

    nested = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            network(keras, lambda x: x),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    return {
        "plain": network(keras, plain),
        "without bias": network(keras, without_bias),
        "in two steps": network(keras, in_two_steps),
        "nested": nested,
        "any size": network(keras, plain, image=keras.Input((None, None, 1))),
    }


def test_a_map_adds_up_to_the_logit_of_the_networks_own_answer(keras: Any) -> None:
    networks = list(explainable(keras).values())
    fused = fuse(networks, SPEC)
    assert fused.without_maps == ""

    probabilities, maps = run(fused)

    assert maps.shape == (3, len(networks), 8, 8)
    for place, alone in enumerate(networks):
        expected = alone(IMAGES, training=False).numpy()[:, 0]
        np.testing.assert_allclose(probabilities[:, place], expected, atol=1e-6)
    logits = np.log(probabilities / (1 - probabilities))
    np.testing.assert_allclose(maps.sum(axis=(2, 3)), logits, atol=1e-5)


def test_each_cell_holds_what_the_features_there_add(keras: Any) -> None:
    _, maps = run(fuse([shrunk(keras)], SPEC))

    means = IMAGES[..., 0].reshape(3, 4, 8, 4, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(maps[:, 0], means / 16, atol=1e-6)


@pytest.mark.parametrize("layer", ["Cropping2D", "CenterCrop"])
def test_networks_that_crop_share_a_grid_with_those_that_do_not(keras: Any, layer: str) -> None:
    cropped = {
        "Cropping2D": keras.layers.Cropping2D(4),
        "CenterCrop": keras.layers.CenterCrop(24, 24),
    }[layer]

    _, maps = run(fuse([shrunk(keras), shrunk(keras, cropped)], SPEC))

    assert maps.shape == (3, 2, 8, 8)  # cells of 8 pixels, and such cells 4 pixels further in
    whole = IMAGES[..., 0].reshape(3, 4, 8, 4, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(maps[:, 0], whole.repeat(2, 1).repeat(2, 2) / 64, atol=1e-6)
    inner = IMAGES[:, 4:-4, 4:-4, 0].reshape(3, 3, 8, 3, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(
        maps[:, 1, 1:-1, 1:-1], inner.repeat(2, 1).repeat(2, 2) / 36, atol=1e-6
    )
    assert not maps[:, 1, [0, -1]].any()
    assert not maps[:, 1, :, [0, -1]].any()


def test_a_crop_to_one_side_inside_an_inner_network_is_found(keras: Any) -> None:
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 1))
    inner = keras.Model(image, layers.Cropping2D(((16, 0), (0, 24)))(image))

    _, maps = run(fuse([shrunk(keras, inner)], SPEC))

    assert maps.shape == (3, 1, 4, 4)
    assert np.argwhere(maps[0, 0]).tolist() == [[2, 0], [3, 0]]


@pytest.mark.parametrize("end", ["flat", "largest", "two dense", "two units deep", "no sigmoid"])
def test_a_network_with_another_end_has_no_map_but_an_answer(keras: Any, end: str) -> None:
    layers = keras.layers
    ends: dict[str, Callable[[Any], Any]] = {
        "flat": lambda x: layers.Dense(1, "sigmoid")(layers.Flatten()(x)),
        "largest": lambda x: layers.Dense(1, "sigmoid")(layers.GlobalMaxPooling2D()(x)),
        "two dense": lambda x: layers.Dense(1, "sigmoid")(
            layers.Dense(3, "relu")(pooled(keras, x))
        ),
        "two units deep": lambda x: layers.Activation("sigmoid")(
            layers.Dense(1, "relu")(pooled(keras, x))
        ),
        "no sigmoid": lambda x: layers.Dense(1, "hard_sigmoid")(pooled(keras, x)),
    }
    odd = network(keras, ends[end])

    fused = fuse([shrunk(keras), odd], SPEC)

    assert "global average pooling and one dense unit" in fused.without_maps
    [probabilities] = run(fused)
    assert probabilities.shape == (3, 2)
    expected = odd(IMAGES, training=False).numpy()[:, 0]
    np.testing.assert_allclose(probabilities[:, 1], expected, atol=1e-6)


def test_cells_that_fit_no_common_grid_give_no_map(keras: Any) -> None:
    odd = shrunk(keras, keras.layers.Conv2D(1, 2), cell=1)  # 31 cells

    fused = fuse([shrunk(keras), odd], SPEC)

    assert fused.without_maps.startswith("The cells of the networks' last features have no common")
    assert len(fused.model.outputs) == 1
