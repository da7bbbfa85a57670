"""The TensorFlow engine: one traced function over all members, loaded from verified bytes."""

import json
import logging
import math
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.inference.archive import CONFIG_FILE, WEIGHTS_FILE, inspect_archive
from service.inference.bundle import Bundle
from service.inference.engines.contract import check_batch
from service.inference.engines.fused import fuse
from service.inference.errors import BundleError, NotExplainableError

_MAX_VALUES_PER_IMAGE: Final = 2**28
"""Numbers that all intermediate results of one image may hold together (1 GiB as 32-bit floats).

Two small residual networks at 192x192 need a thirtieth of it. A layer that enlarges without
weights, such as ``Resizing``, could ask for any amount.
"""

_NO_TENSORFLOW: Final = (
    "This bundle needs TensorFlow, which is not installed here: install the "
    "extra 'tensorflow' of this package, use the image that has it, or give the bundle an "
    "up-to-date compiled graph with `python -m training compile`."
)

logger = logging.getLogger(__name__)


class TensorFlowEngine:
    """All members of a bundle as one ``tf.function`` with a fixed signature, warm."""

    name: Final = "tensorflow"
    precision: Final = "fp32"

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        """Load the members of a freshly opened bundle.

        Args:
            bundle: As ``open_bundle`` gave it, with the contents of its files.
            threads: Processor threads that one call may use.

        Raises:
            BundleError: TensorFlow cannot be had here, or a network is not one of plain built-in
                layers or does not fit the manifest.
        """
        if find_spec("tensorflow") is None:
            raise BundleError(_NO_TENSORFLOW)
        # Before Keras gets to see any of them.
        for member in bundle.manifest.members:
            inspect_archive(bundle.contents[member.file], file=member.file)
        tf = _start_tensorflow(threads)
        manifest = bundle.manifest
        models = [
            _probability_of(
                _load(bundle.contents[member.file], member.file),
                member.file,
                (manifest.input.height, manifest.input.width, part.stop - part.start),
            )
            for member, part in zip(manifest.members, manifest.channels, strict=True)
        ]
        self._shape = manifest.shape
        try:
            fused = fuse(models, manifest.input, channels=manifest.channels)
            self._without_maps = fused.without_maps
            self._run = _trace(tf, fused.model, self._shape)
            self.scores(np.zeros((1, *self._shape), dtype=np.float32))
        except BundleError:
            raise
        except Exception as error:
            # Layers that fit together on paper can still fail when they compute.
            raise BundleError("The networks of the bundle cannot be computed here.") from error

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch; see ``Engine.scores``."""
        check_batch(batch, self._shape)
        # The maps come along: they cost a thousandth of the rest.
        result: NDArray[np.float32] = self._run(batch)[0].numpy()
        return result

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score a batch and split each score over the frame; see ``Engine.explain``."""
        if self._without_maps:
            raise NotExplainableError(self._without_maps)
        check_batch(batch, self._shape)
        scores, maps = (part.numpy() for part in self._run(batch))
        return scores, maps


class TensorFlowSegmenter:
    """A bundle's segmentation network as a ``tf.function``, warm. Safe for several threads."""

    name: Final = "tensorflow"
    precision: Final = "fp32"

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        """Load the network of a freshly opened bundle that has one.

        Args:
            bundle: As ``open_bundle`` gave it, with the contents of its files.
            threads: Processor threads that one call may use.

        Raises:
            BundleError: As ``TensorFlowEngine``.
        """
        if find_spec("tensorflow") is None:
            raise BundleError(_NO_TENSORFLOW)
        entry = bundle.manifest.lungs
        if entry is None:
            raise BundleError("The bundle has no network that finds the lungs.")
        inspect_archive(bundle.contents[entry.file], file=entry.file)
        tf = _start_tensorflow(threads)
        self._shape = (entry.side, entry.side, 1)
        model = _taking(_load(bundle.contents[entry.file], entry.file), entry.file, self._shape)
        outputs, wanted = _shapes(model, "outputs"), (None, *self._shape)
        self._has_features = len(outputs) == 2 and len(outputs[1]) == 2
        if len(outputs) != 1 + self._has_features or not _fits(outputs[0], wanted):
            raise BundleError(
                f"The network {entry.file} gives {_in_words(outputs)} numbers for an image; "
                f"it must give {_in_words([wanted])}, one for each pixel."
            )
        try:
            self._run = _trace(tf, model, self._shape)
            self.probabilities(np.zeros((1, *self._shape), dtype=np.float32))
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(f"The network {entry.file} cannot be computed here.") from error

    def probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find lung tissue; see ``Segmenter.probabilities``."""
        check_batch(batch, self._shape)
        result: NDArray[np.float32] = self._run(batch)[0].numpy()
        return result[..., 0]

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Find lung tissue and describe each picture; see ``Segmenter.look``."""
        if not self._has_features:
            return self.probabilities(batch), None
        check_batch(batch, self._shape)
        lungs, features = (part.numpy() for part in self._run(batch))
        return lungs[..., 0], features


def _start_tensorflow(threads: int) -> Any:
    """Import TensorFlow and Keras with their settings, which count only before the first use."""
    if os.environ.setdefault("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise BundleError("Keras is set to another backend; unset KERAS_BACKEND to serve here.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise BundleError(_NO_TENSORFLOW) from error
    if keras.backend.backend() != "tensorflow":
        raise BundleError("Keras already runs here with another backend than TensorFlow.")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.warning("TensorFlow was in use before: its number of threads stays as it was.")
    return tf


def _load(data: bytes, file: str) -> Any:
    # Keras' public loader takes a path only, and a path can change its content between the check
    # and the load. The function that it ends in takes the verified bytes themselves, and works on
    # a machine without any writable folder.
    from keras.src.saving import saving_lib

    _check_parameters(data, file)
    try:
        return saving_lib.load_model(BytesIO(data), compile=False, safe_mode=True)
    except Exception as error:
        raise BundleError(f"The network {file} cannot be loaded by Keras.") from error


def _check_parameters(data: bytes, file: str) -> None:
    """Refuse a network whose layers ask for more parameters than its weights can fill.

    Keras would allocate them all before it reads the first weight.
    """
    with zipfile.ZipFile(BytesIO(data)) as archive:
        config = json.loads(archive.read(CONFIG_FILE))
        available = archive.getinfo(WEIGHTS_FILE).file_size
    config["compile_config"] = None
    # In a thread of its own: the variables of this trial stay registered in Keras' thread-local
    # state, and the next network built in the same thread would allocate them after all.
    with ThreadPoolExecutor(max_workers=1) as trial:
        try:
            needed = trial.submit(_parameter_bytes, config).result()
        except Exception as error:
            raise BundleError(f"The network {file} cannot be built by Keras.") from error
    if needed > available:
        raise BundleError(
            f"The layers of {file} ask for {needed} bytes of weights, "
            f"but the file holds only {available}."
        )


def _parameter_bytes(config: dict[str, Any]) -> int:
    import keras
    from keras.src.backend.common import global_state

    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    # Also those of layers that the description names but leaves out of the network: they are
    # registered here, and Keras would allocate them like all others.
    created = global_state.get_global_attribute("uninitialized_variables", [])
    variables = {id(variable): variable for variable in [*model.variables, *created]}
    return sum(
        math.prod(variable.shape) * np.dtype(variable.dtype).itemsize
        for variable in variables.values()
    )


def _probability_of(model: Any, file: str, image: tuple[int, int, int]) -> Any:
    """Refuse a network that does not take one image and give one number."""
    checked = _taking(model, file, image)
    outputs = _shapes(model, "outputs")
    if outputs != [(None, 1)]:
        raise BundleError(
            f"The network {file} gives {_in_words(outputs)} numbers for an image; "
            "it must give 1, the probability."
        )
    return checked


def _taking(model: Any, file: str, image: tuple[int, int, int]) -> Any:
    """Refuse a network that does not take one image of this shape."""
    import keras

    inputs, wanted = _shapes(model, "inputs"), (None, *image)
    if len(inputs) != 1 or not _fits(inputs[0], wanted):
        raise BundleError(
            f"The network {file} takes {_in_words(inputs)} where the bundle's images are "
            f"{_in_words([wanted])} (height x width x channels)."
        )
    # A network saved with its one input in a list would warn at each call. A new model around the
    # same layers takes the bare image, however the file nests it.
    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    return keras.Model(model.inputs[0], outputs)


def _shapes(model: Any, side: str) -> list[tuple[int | None, ...]]:
    # A Sequential network that was never built has no such attribute.
    return [part.shape for part in getattr(model, side, [])]


def _fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Tell whether a network of this input shape takes any number of the bundle's images."""
    free_batch = len(shape) == len(wanted) and shape[0] is None
    return free_batch and all(
        side in {None, want} for side, want in zip(shape, wanted, strict=True)
    )


def _in_words(shapes: list[tuple[int | None, ...]]) -> str:
    def one(shape: tuple[int | None, ...]) -> str:
        sides = " x ".join("any" if side is None else str(side) for side in shape[1:])
        return sides if shape[0] is None else f"only {shape[0]} at a time of {sides}"

    return " and ".join(map(one, shapes)) or "nothing fixed"


def _trace(tf: Any, model: Any, shape: tuple[int, int, int]) -> Any:
    """Trace the fused model for any number of images of one shape."""

    @tf.function(input_signature=[tf.TensorSpec([None, *shape], tf.float32)], autograph=False)
    def run(batch: Any) -> Any:
        return tf.nest.flatten(model(batch, training=False))

    graph = run.get_concrete_function().graph
    values = sum(
        math.prod(side or 1 for side in tensor.shape)
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.rank is not None
    )
    if values > _MAX_VALUES_PER_IMAGE:
        raise BundleError("The networks of the bundle need too much memory for one image.")
    return run
