"""The ONNX Runtime engine: a bundle's compiled graphs, without TensorFlow in the process."""

import os
import threading
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle
from service.inference.engines.contract import Precision, check_batch
from service.inference.engines.side_by_side import SideBySide
from service.inference.entries import Compiled, Graph
from service.inference.errors import BundleError, NotExplainableError

# From 1.29 on ONNX Runtime tells its maker about every session (names and digests of the network,
# the machine, times) and keeps a database for it on disk. It looks at this when it is imported;
# its own function for the purpose comes too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

INPUT_NAME: Final = "radiograph"
OUTPUT_NAME: Final = "probabilities"
MAPS_NAME: Final = "activation_maps"
LUNGS_NAME: Final = "lungs"
FEATURES_NAME: Final = "features"

_lock = threading.Lock()
_arena_is_shared = False


class OnnxEngine:
    """All members of a bundle as compiled graphs, warm. Safe to call from several threads."""

    name: Final = "onnx"

    def __init__(self, bundle: Bundle, *, precision: Precision = "fp32", threads: int = 1) -> None:
        """Load the compiled graphs of a freshly opened bundle.

        Args:
            bundle: As ``open_bundle`` gave it, with the contents of its files.
            precision: Which of the bundle's graphs.
            threads: Cores for its graphs: a call that is alone computes so many side by side.

        Raises:
            BundleError: There are no such graphs for these very networks, ONNX Runtime cannot be
                had here, or the graphs do not fit the manifest.
        """
        found = _graphs(bundle, precision)
        if isinstance(found, str):
            raise BundleError(found)
        manifest = bundle.manifest
        self.precision = precision
        self._shape = manifest.shape
        self._sessions = [_start(bundle.contents[graph.file], graph.file) for graph in found]
        self._side_by_side = SideBySide(threads)
        self._has_maps = _check_signatures(
            dict(zip((graph.file for graph in found), self._sessions, strict=True)),
            self._shape,
            len(manifest.members),
        )
        self.scores(np.zeros((1, *self._shape), dtype=np.float32))

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch; see ``Engine.scores``."""
        check_batch(batch, self._shape)
        return self._run([OUTPUT_NAME], batch)[0]

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score a batch and split each score over the frame; see ``Engine.explain``."""
        check_batch(batch, self._shape)
        if not self._has_maps:
            raise NotExplainableError
        scores, maps = self._run([OUTPUT_NAME, MAPS_NAME], batch)
        return scores, maps

    def _run(self, outputs: list[str], batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs of all graphs, joined in the order of the members."""
        found: list[list[NDArray[np.float32]]] = self._side_by_side(
            lambda session: session.run(outputs, {INPUT_NAME: batch}), self._sessions
        )
        if len(found) == 1:
            return found[0]
        return [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]


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
        found = _lungs_graph(bundle, precision)
        if isinstance(found, str):
            raise BundleError(found)
        (graph,) = found
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
    found = _graphs(bundle, precision)
    return found if isinstance(found, str) else None


def why_not_lungs(bundle: Bundle, precision: Precision = "fp32") -> str | None:
    """The same of the graph that finds the lungs."""
    found = _lungs_graph(bundle, precision)
    return found if isinstance(found, str) else None


def _graphs(bundle: Bundle, precision: Precision) -> tuple[Graph, ...] | str:
    """The manifest's entries of the members' graphs, or why these cannot answer for the bundle."""
    manifest = bundle.manifest
    sources = {member.file: member.sha256 for member in manifest.members}
    return _usable(bundle, manifest.compiled, sources, precision, "graph")


def _lungs_graph(bundle: Bundle, precision: Precision) -> tuple[Graph, ...] | str:
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
) -> tuple[Graph, ...] | str:
    if compiled is None:
        return f"The bundle holds no compiled {graph_name}."
    entry = compiled.int8 if precision == "int8" else compiled
    if entry is None:
        return f"The bundle holds no 8-bit {graph_name}."
    for graph in entry.graphs:
        if graph.file not in bundle.contents:
            return f"The bundle lacks its compiled graph {graph.file}."
    if compiled.sources != sources:
        return (
            f"The compiled graph {entry.file} was made from other networks than the bundle "
            "holds now. Compile the bundle again."
        )
    return entry.graphs


def _start(graph: bytes, file: str) -> Any:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise BundleError("ONNX Runtime is not installed here.") from error
    options = ort.SessionOptions()
    # One core for each graph. The networks are small: waking further threads for each of their
    # layers takes as long as these save, so that a call alone is no faster with two, and two calls
    # at once get 10 to 20 % less done.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    _share_arena(ort)
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        # From the verified bytes, never from a path: what is loaded is what was checked, and a
        # graph that refers to weights in other files finds none.
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"The compiled graph {file} cannot be loaded.") from error


def _share_arena(ort: Any) -> None:
    """Have all sessions of the process take their working memory from one arena.

    Otherwise each has its own, as large as its calls at once ever needed, though never are there
    more calls at once than cores.
    """
    global _arena_is_shared  # noqa: PLW0603 - ONNX Runtime has one environment for the process
    with _lock:
        if not _arena_is_shared:
            kind, memory = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, ort.OrtMemType.DEFAULT
            defaults = ort.OrtArenaCfg(0, -1, -1, -1)
            ort.create_and_register_allocator(ort.OrtMemoryInfo("Cpu", kind, 0, memory), defaults)
            _arena_is_shared = True


def _check_signatures(
    sessions: Mapping[str, Any], shape: tuple[int, int, int], members: int
) -> bool:
    """Refuse graphs that do not fit the manifest; tell whether all of them give maps."""
    answers, grids = 0, set()
    for file, session in sessions.items():
        inputs, outputs = _signature(session)
        scores, maps = outputs.get(OUTPUT_NAME, ()), outputs.get(MAPS_NAME)
        if (
            inputs != {INPUT_NAME: shape}
            or len(scores) != 1
            or not isinstance(scores[0], int)
            or not (maps is None or (len(maps) == 3 and maps[0] == scores[0]))
        ):
            raise BundleError(
                f"The compiled graph {file} does not take the bundle's images and give one "
                "probability for each of its networks."
            )
        answers += scores[0]
        grids.add(maps and maps[1:])
    if answers != members:
        raise BundleError(
            f"The bundle's compiled graphs give {answers} probabilities where it has {members} "
            f"networks: {', '.join(sessions)}."
        )
    return len(grids) == 1 and None not in grids


def _signature(session: Any) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """Shapes of a graph's inputs and outputs by their names, without the number of images."""
    inputs = {part.name: tuple(part.shape[1:]) for part in session.get_inputs()}
    outputs = {part.name: tuple(part.shape[1:]) for part in session.get_outputs()}
    return inputs, outputs
