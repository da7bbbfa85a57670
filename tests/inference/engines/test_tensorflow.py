"""The TensorFlow engine computes what Keras computes, from the bytes that were verified."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.inference import Ensemble, load_engine, load_ensemble, open_bundle
from service.inference.allowed import ALLOWED_CLASSES
from service.inference.probability import calibrate
from tests.inference.engines.networks import SPEC, phantom_batch, replace_network
from tests.tiny_bundle import CALIBRATION, FILES, tiny_network

pytestmark = pytest.mark.tensorflow

_ROOT = Path(__file__).parents[3]


def _calibrated(probability: float) -> float:
    """What a tiny bundle makes of a network's own probability."""
    return float(calibrate(np.array([probability]), CALIBRATION)[0])


def test_scores_equal_those_of_keras(
    keras: Any, tiny_folder: Path, tiny_ensemble: Ensemble
) -> None:
    networks = [
        keras.saving.load_model(tiny_folder / file, compile=False, safe_mode=True) for file in FILES
    ]
    for seed in range(20):
        batch = phantom_batch(first=seed)
        (score,) = tiny_ensemble.score(batch)
        raw = np.array([float(network(batch, training=False)[0, 0]) for network in networks])
        expected = calibrate(raw, CALIBRATION)
        assert [member.probability for member in score.members] == pytest.approx(expected, abs=1e-5)


def test_a_batch_gets_the_scores_of_its_images_one_by_one(tiny_ensemble: Ensemble) -> None:
    together = tiny_ensemble.score(phantom_batch(5))

    for seed, score in enumerate(together):
        (alone,) = tiny_ensemble.score(phantom_batch(first=seed))
        assert score.probability == pytest.approx(alone.probability, abs=1e-5)
    assert len({round(score.probability, 4) for score in together}) == 5


def test_eight_threads_get_the_answers_of_one(tiny_ensemble: Ensemble) -> None:
    batches = [phantom_batch(first=seed) for seed in range(40)]
    serial = [tiny_ensemble.score(batch) for batch in batches]

    with ThreadPoolExecutor(max_workers=8) as pool:
        parallel = list(pool.map(tiny_ensemble.score, batches * 5))

    for expected, found in zip(serial * 5, parallel, strict=True):
        assert found[0].probability == pytest.approx(expected[0].probability, abs=1e-6)


def test_the_engine_names_itself_and_lets_go_of_the_files(tiny_ensemble: Ensemble) -> None:
    assert tiny_ensemble.engine_name == "tensorflow"
    assert dict(tiny_ensemble.bundle.contents) == {}


@pytest.mark.parametrize("batch", [np.zeros((1, 32, 31, 1), "f4"), np.zeros((1, 32, 32, 1), "f8")])
def test_a_batch_of_another_shape_or_type_is_a_programming_error(
    tiny_ensemble: Ensemble, batch: Any
) -> None:
    with pytest.raises(ValueError, match="Expected a float32 batch"):
        tiny_ensemble.score(batch)


def test_what_is_loaded_is_what_was_verified(models: Path, tiny_ensemble: Ensemble) -> None:
    bundle = open_bundle(models)
    for file in FILES:
        (models / file).write_bytes(b"altered between the check and the load")

    ensemble = Ensemble(bundle, load_engine(bundle, threads=1).engine)

    assert ensemble.score(phantom_batch())[0].probability == pytest.approx(
        tiny_ensemble.score(phantom_batch())[0].probability, abs=1e-6
    )


def test_a_network_that_was_saved_ready_to_train_is_served(keras: Any, models: Path) -> None:
    trained = tiny_network(SPEC, seed=3)
    trained.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC()])
    expected = float(trained(phantom_batch(), training=False)[0, 0])

    (score,) = load_ensemble(replace_network(models, trained), threads=1).score(phantom_batch())

    assert score.members[1].probability == pytest.approx(_calibrated(expected), abs=1e-5)


def test_a_network_whose_input_stands_in_a_list_is_served(keras: Any, models: Path) -> None:
    plain = tiny_network(SPEC, seed=3)
    listed = keras.Model([plain.inputs[0]], plain.outputs[0])

    assert load_ensemble(replace_network(models, listed), threads=1).score(phantom_batch())


def test_a_sequential_network_is_served(keras: Any, models: Path) -> None:
    layers = keras.layers
    sequential = keras.Sequential(
        [keras.Input((32, 32, 1)), layers.Flatten(), layers.Dense(1, "sigmoid")]
    )

    assert load_ensemble(replace_network(models, sequential), threads=1).score(phantom_batch())


def test_a_network_for_images_of_any_size_is_served(keras: Any, models: Path) -> None:
    image = keras.Input((None, None, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(image))
    free = keras.Model(image, keras.layers.Dense(1, "sigmoid")(x))

    assert load_ensemble(replace_network(models, free), threads=1).score(phantom_batch())


def test_every_listed_layer_can_be_served(keras: Any, models: Path) -> None:
    layers = keras.layers
    image = x = keras.Input((32, 32, 1))
    for layer in (
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomBrightness(0.1, value_range=(0, 1)),
        layers.Normalization(mean=0.5, variance=0.1),
        layers.Rescaling(2.0, offset=-1.0),
        layers.Resizing(28, 28),
        layers.CenterCrop(24, 24),
        layers.Conv2D(4, 3, kernel_regularizer="l2", kernel_constraint="max_norm"),
        layers.SeparableConv2D(4, 3, depthwise_initializer="orthogonal"),
        layers.DepthwiseConv2D(3, use_bias=False),
        layers.BatchNormalization(),
        layers.GroupNormalization(2),
        layers.LayerNormalization(),
        layers.UnitNormalization(),
        layers.ReLU(),
        layers.LeakyReLU(),
        layers.PReLU(),
        layers.ELU(),
        layers.Activation("swish"),
        layers.ZeroPadding2D(2),
        layers.Cropping2D(1),
        layers.UpSampling2D(2),
        layers.MaxPooling2D(2),
        layers.AveragePooling2D(2),
        layers.SpatialDropout2D(0.1),
        layers.GaussianNoise(0.1),
        layers.GaussianDropout(0.1),
        layers.Dropout(0.1),
    ):
        x = layer(x)
    for merge in (
        layers.Add,
        layers.Subtract,
        layers.Multiply,
        layers.Average,
        layers.Maximum,
        layers.Concatenate,
    ):
        x = merge()([x, layers.Activation("tanh")(x)])
    parts = [
        layers.GlobalAveragePooling2D()(x),
        layers.GlobalMaxPooling2D()(x),
        layers.Softmax()(layers.Reshape((-1,))(layers.Flatten()(x))),
    ]
    network = keras.Model(image, layers.Dense(1, "sigmoid")(layers.Concatenate()(parts)))
    used = {type(layer).__name__ for layer in network.layers}
    assert used == ALLOWED_CLASSES["keras.layers"]
    expected = float(network(phantom_batch(), training=False)[0, 0])

    (score,) = load_ensemble(replace_network(models, network), threads=1).score(phantom_batch())

    assert score.members[1].probability == pytest.approx(_calibrated(expected), abs=1e-5)


# A process of its own shows what a start does: here TensorFlow is long in use.
_START = """
import json, pathlib, sys
import keras, tensorflow as tf
from service.inference import load_ensemble

written = []

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if flags & 3 or (mode and set(mode) & set("wax+")):
            written.append(str(path))

sys.addaudithook(watch)
load_ensemble(pathlib.Path(sys.argv[1]), threads=3)
threading = tf.config.threading
print(json.dumps({
    "written": written,
    "threads": [
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    ],
}))
"""


@pytest.fixture(scope="module")
def start(tiny_folder: Path) -> Any:
    """What a fresh process did to load the ensemble."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", _START, str(tiny_folder)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=110,
    )
    return json.loads(done.stdout)


def test_threads_are_set_before_the_first_use(start: Any) -> None:
    assert start["threads"] == [3, 1]


def test_loading_opens_no_file_to_write(start: Any) -> None:
    """The service may run where nothing can be written, not even ``/tmp``."""
    assert start["written"] == []


def test_an_archive_in_memory_is_what_keras_reads(tiny_folder: Path) -> None:
    """The engine hands Keras bytes, by a function that Keras does not promise to keep."""
    from keras.src.saving import saving_lib  # noqa: PLC0415

    data = (tiny_folder / FILES[0]).read_bytes()

    assert saving_lib.load_model(BytesIO(data), compile=False).input_shape == (None, 32, 32, 1)
