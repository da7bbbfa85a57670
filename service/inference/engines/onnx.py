"""The ONNX Runtime engine: the compiled graph of a bundle, without TensorFlow in the process."""

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle
from service.inference.engines.contract import Precision, check_batch
from service.inference.errors import BundleError, NotExplainableError
from service.inference.manifest import Compiled, Quantised

# From 1.29 on ONNX Runtime tells its maker about every session (names and digests of the network,
# the machine, times) and keeps a database for it on disk. It looks at this when it is imported;
# its own function for the purpose comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

INPUT_NAME: Final = "radiograph"
OUTPUT_NAME: Final = "probabilities"
MAPS_NAME: Final = "activation_maps"
LUNGS_NAME: Final = "lungs"
FEATURES_NAME: Final = "features"


class OnnxEngine:
    """All members of a bundle as one compiled graph, warm. Safe to call from several threads."""

    name: Final = "onnx"

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32") -> None:
        """Load a compiled graph of a freshly opened bundle.

        Args:
            bundle: As ``open_bundle`` gave it, with the contents of its files.
            precision: Which of the bundle's graphs.

        Raises:
            BundleError: There is no such graph for these very networks, ONNX Runtime cannot be had
                here, or the graph does not fit the manifest.
        """
        graph = _graph(bundle, precision)
        if isinstance(graph, str):
            raise BundleError(graph)
        manifest = bundle.manifest
        self.precision = precision
        self._shape = manifest.shape
        self._session = _start(bundle.contents[graph.file], graph.file)
        self._has_maps = _check_signature(
            self._session, graph.file, self._shape, len(manifest.members)
        )
        self.scores(np.zeros((1, *self._shape), dtype=np.float32))

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch; see ``Engine.scores``."""
        check_batch(batch, self._shape)
        result: NDArray[np.float32] = self._session.run([OUTPUT_NAME], {INPUT_NAME: batch})[0]
        return result

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score a batch and split each score over the frame; see ``Engine.explain``."""
        check_batch(batch, self._shape)
        if not self._has_maps:
            raise NotExplainableError
        scores, maps = self._session.run([OUTPUT_NAME, MAPS_NAME], {INPUT_NAME: batch})
        return scores, maps


class OnnxSegmenter:
    """A bundle's segmentation network as a compiled graph, warm. Safe for several threads."""

    name: Final = "onnx"

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32") -> None:
        """Load the graph of a freshly opened bundle that has a segmentation network.

        Args:
            bundle: As ``open_bundle`` gave it, with the contents of its files.
            precision: Which of its graphs.

        Raises:
            BundleError: As ``OnnxEngine``.
        """
        graph = _lungs_graph(bundle, precision)
        if isinstance(graph, str):
            raise BundleError(graph)
        side = bundle.manifest.lungs.side if bundle.manifest.lungs else 0
        self.precision = precision
        self._shape = (side, side, 1)
        self._session = _start(bundle.contents[graph.file], graph.file)
        inputs, outputs = _signature(self._session)
        features = outputs.pop(FEATURES_NAME, None)
        self._has_features = features is not None and len(features) == 1
        if inputs != {INPUT_NAME: self._shape} or outputs != {LUNGS_NAME: self._shape}:
            raise BundleError(
                f"The compiled graph {graph.file} does not take a picture of {side} x {side} "
                "pixels and give one probability of lung for each."
            )
        self.probabilities(np.zeros((1, *self._shape), dtype=np.float32))

    def probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find lung tissue; see ``Segmenter.probabilities``."""
        check_batch(batch, self._shape)
        result: NDArray[np.float32] = self._session.run([LUNGS_NAME], {INPUT_NAME: batch})[0]
        return result[..., 0]

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Find lung tissue and describe each picture; see ``Segmenter.look``."""
        if not self._has_features:
            return self.probabilities(batch), None
        check_batch(batch, self._shape)
        lungs, features = self._session.run([LUNGS_NAME, FEATURES_NAME], {INPUT_NAME: batch})
        return lungs[..., 0], features


def why_not(bundle: Bundle, precision: Precision = "fp32") -> str | None:
    """Say in a sentence why a compiled graph cannot answer for its bundle, or None if it can."""
    graph = _graph(bundle, precision)
    return graph if isinstance(graph, str) else None


def why_not_lungs(bundle: Bundle, precision: Precision = "fp32") -> str | None:
    """The same of the graph that finds the lungs."""
    graph = _lungs_graph(bundle, precision)
    return graph if isinstance(graph, str) else None


def _graph(bundle: Bundle, precision: Precision) -> Compiled | Quantised | str:
    """The manifest's entry of a graph, or why it cannot answer for the bundle."""
    manifest = bundle.manifest
    sources = {member.file: member.sha256 for member in manifest.members}
    return _usable(bundle, manifest.compiled, sources, precision, "graph")


def _lungs_graph(bundle: Bundle, precision: Precision) -> Compiled | Quantised | str:
    lungs = bundle.manifest.lungs
    if lungs is None:
        return "The bundle has no network that finds the lungs."
    sources = {lungs.file: lungs.sha256}
    return _usable(bundle, lungs.compiled, sources, precision, f"graph of {lungs.file}")


def _usable(
    bundle: Bundle,
    compiled: Compiled | None,
    sources: dict[str, str],
    precision: Precision,
    graph_name: str,
) -> Compiled | Quantised | str:
    if compiled is None:
        return f"The bundle holds no compiled {graph_name}."
    graph = compiled.int8 if precision == "int8" else compiled
    if graph is None:
        return f"The bundle holds no 8-bit {graph_name}."
    if graph.file not in bundle.contents:
        return f"The bundle lacks its compiled graph {graph.file}."
    if compiled.sources != sources:
        return (
            f"The compiled graph {graph.file} was made from other networks than the bundle "
            "holds now. Compile the bundle again."
        )
    return graph


def _start(graph: bytes, file: str) -> Any:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise BundleError("ONNX Runtime is not installed here.") from error
    options = ort.SessionOptions()
    # One core for each call, and as many calls at once as there are cores. The networks are small:
    # waking further threads for each of their layers takes as long as these save, so that a call
    # alone is no faster with two, and two calls at once get 10 to 20 % less done.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        # From the verified bytes, never from a path: what is loaded is what was checked, and a
        # graph that refers to weights in other files finds none.
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"The compiled graph {file} cannot be loaded.") from error


def _check_signature(session: Any, file: str, shape: tuple[int, int, int], members: int) -> bool:
    """Refuse a graph that does not fit the manifest; tell whether it gives maps."""
    inputs, outputs = _signature(session)
    maps = outputs.get(MAPS_NAME)
    if (
        inputs != {INPUT_NAME: shape}
        or outputs.get(OUTPUT_NAME) != (members,)
        or not (maps is None or (len(maps) == 3 and maps[0] == members))
    ):
        raise BundleError(
            f"The compiled graph {file} does not take the bundle's images and give one "
            "probability for each of its networks."
        )
    return maps is not None


def _signature(session: Any) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """Shapes of a graph's inputs and outputs by their names, without the number of images."""
    inputs = {part.name: tuple(part.shape[1:]) for part in session.get_inputs()}
    outputs = {part.name: tuple(part.shape[1:]) for part in session.get_outputs()}
    return inputs, outputs
