"""Networks that pass the allow-list and still must not be served."""

import copy
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.imaging import InputSpec
from service.inference import MANIFEST_FILE, Manifest
from service.inference.engines import tensorflow
from tests.inference.engines.networks import (
    SPEC,
    change_config,
    layer_config,
    refusal,
    replace_network,
)
from tests.tiny_bundle import FILES, tiny_network

pytestmark = pytest.mark.tensorflow


def test_a_manifest_that_lies_about_its_input_is_refused(models: Path) -> None:
    manifest = Manifest.read(models / MANIFEST_FILE)
    lying = manifest.model_copy(update={"input": InputSpec(height=48, width=64, channels=3)})
    lying.write(models / MANIFEST_FILE)

    assert refusal(models) == (
        f"The network {FILES[0]} takes 32 x 32 x 1 where the bundle's images are 48 x 64 x 3 "
        "(height x width x channels)."
    )


def test_a_folder_without_manifest_needs_networks_of_256_pixels(models: Path) -> None:
    (models / MANIFEST_FILE).unlink()

    assert "takes 32 x 32 x 1 where the bundle's images are 256 x 256 x 1" in refusal(models)


def test_golden_answers_of_another_network_are_refused(models: Path) -> None:
    golden = Manifest.read(models / MANIFEST_FILE).golden
    replace_network(models, tiny_network(SPEC, seed=99))
    manifest = Manifest.read(models / MANIFEST_FILE)
    manifest.model_copy(update={"golden": golden}).write(models / MANIFEST_FILE)

    assert f"The network {FILES[1]} answers the test image" in refusal(models)


def test_a_network_with_two_outputs_is_refused(keras: Any, models: Path) -> None:
    image = keras.Input((32, 32, 1))
    x = keras.layers.Flatten()(image)
    outputs = [keras.layers.Dense(1, "sigmoid")(x) for _ in range(2)]

    assert "gives 1 and 1 numbers for an image; it must give 1" in refusal(
        replace_network(models, keras.Model(image, outputs))
    )


def test_a_network_with_two_classes_is_refused(keras: Any, models: Path) -> None:
    image = keras.Input((32, 32, 1))
    output = keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(image))

    assert "gives 2 numbers for an image; it must give 1" in refusal(
        replace_network(models, keras.Model(image, output))
    )


def test_a_network_with_two_inputs_is_refused(keras: Any, models: Path) -> None:
    images = [keras.Input((32, 32, 1)) for _ in range(2)]
    x = keras.layers.Flatten()(keras.layers.Add()(images))

    assert "takes 32 x 32 x 1 and 32 x 32 x 1 where the bundle's images are 32 x 32 x 1" in refusal(
        replace_network(models, keras.Model(images, keras.layers.Dense(1, "sigmoid")(x)))
    )


def test_a_network_without_a_sigmoid_is_refused(keras: Any, models: Path) -> None:
    image = keras.Input((32, 32, 1))
    dense = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    linear = keras.Model(image, dense(keras.layers.Flatten()(image)))

    assert refusal(replace_network(models, linear)) == (
        f"The network {FILES[1]} gave a score that is not a probability from 0 to 1."
    )


def test_weights_that_are_not_numbers_are_refused(keras: Any, models: Path) -> None:
    image = keras.Input((32, 32, 1))
    dense = keras.layers.Dense(
        1, "sigmoid", bias_initializer=keras.initializers.Constant(float("nan"))
    )
    broken = keras.Model(image, dense(keras.layers.Flatten()(image)))

    assert "not a probability from 0 to 1" in refusal(replace_network(models, broken))


def _with_huge_layer(config: dict[str, Any]) -> None:
    hidden, last = config["config"]["layers"][-2:]
    hidden["config"]["units"] = 10**7
    last["build_config"]["input_shape"] = [None, 10**7]


def _with_huge_layer_aside(config: dict[str, Any]) -> None:
    aside = copy.deepcopy(config["config"]["layers"][-1])
    aside["name"] = aside["config"]["name"] = "aside"
    aside["build_config"]["input_shape"] = [None, 10**10]
    aside["inbound_nodes"] = []
    config["config"]["layers"].append(aside)


@pytest.mark.parametrize("change", [_with_huge_layer, _with_huge_layer_aside])
def test_a_layer_that_asks_for_more_weights_than_the_file_holds_is_refused(
    keras: Any, models: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    image = keras.Input((32, 32, 1))
    x = keras.layers.Dense(2)(keras.layers.Flatten()(image))
    replace_network(models, keras.Model(image, keras.layers.Dense(1, "sigmoid")(x)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    message = refusal(change_config(models, change))

    assert message.startswith(f"The layers of {FILES[1]} ask for 4")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_layer_that_asks_for_a_huge_image_is_refused(keras: Any, models: Path) -> None:
    image = keras.Input((32, 32, 1))
    x = keras.layers.Resizing(2**15, 2**15)(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    huge = keras.Model(image, keras.layers.Dense(1, "sigmoid")(x))

    assert refusal(replace_network(models, huge)) == (
        "The networks of the bundle need too much memory for one image."
    )


def test_weights_of_another_shape_are_refused(models: Path) -> None:
    message = refusal(
        change_config(
            models, lambda config: layer_config(config, "Conv2D").update(kernel_size=[1, 9])
        )
    )

    assert message == f"The network {FILES[1]} cannot be loaded by Keras."


def test_a_layer_with_a_nonsensical_setting_is_refused(models: Path) -> None:
    message = refusal(
        change_config(models, lambda config: layer_config(config, "Conv2D").update(strides=[0, -1]))
    )

    assert message == f"The network {FILES[1]} cannot be built by Keras."


def test_another_backend_in_the_environment_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")

    assert refusal(models) == "Keras is set to another backend; unset KERAS_BACKEND to serve here."


def test_another_backend_that_is_already_loaded_is_refused(
    keras: Any, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    assert refusal(models) == "Keras already runs here with another backend than TensorFlow."


def test_a_machine_without_tensorflow_is_told_so(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    assert "install the extra 'tensorflow' of this package" in refusal(models)


def test_a_network_for_a_fixed_number_of_images_is_refused(keras: Any, models: Path) -> None:
    image = keras.Input((32, 32, 1), batch_size=4)
    x = keras.layers.Flatten()(image)
    fixed = keras.Model(image, keras.layers.Dense(1, "sigmoid")(x))

    assert "takes only 4 at a time of 32 x 32 x 1 where" in refusal(replace_network(models, fixed))


def test_a_network_that_was_never_built_is_refused(keras: Any, models: Path) -> None:
    layers = keras.layers
    unbuilt = keras.Sequential([layers.Flatten(), layers.Dense(1, "sigmoid")])

    with pytest.warns(UserWarning, match="has not yet been built"):
        replace_network(models, unbuilt)

    assert "takes nothing fixed where the bundle's images are" in refusal(models)


def test_networks_that_fail_when_they_compute_are_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError("a library's own words")

    monkeypatch.setattr(tensorflow, "_trace", fail)

    assert refusal(models) == "The networks of the bundle cannot be computed here."
