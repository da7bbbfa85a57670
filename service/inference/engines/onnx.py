"""The ONNX Runtime engine: the compiled graph of a bundle, without TensorFlow in the process."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle
from service.inference.engines.contract import check_batch
from service.inference.errors import BundleError

INPUT_NAME: Final = "radiograph"
OUTPUT_NAME: Final = "probabilities"


class OnnxEngine:
    """All members of a bundle as one compiled graph, warm. Safe to call from several threads."""

    name: Final = "onnx"

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        """Load the compiled graph of a freshly opened bundle.

        Args:
            bundle: As ``open_bundle`` gave it, with the contents of its files.
            threads: Processor threads that one call may use.

        Raises:
            BundleError: There is no graph for these very networks, ONNX Runtime cannot be had
                here, or the graph does not fit the manifest.
        """
        reason = why_not(bundle)
        if reason:
            raise BundleError(reason)
        manifest = bundle.manifest
        assert manifest.compiled is not None  # noqa: S101 - why_not has seen to it
        file = manifest.compiled.file
        self._shape = (manifest.input.height, manifest.input.width, manifest.input.channels)
        self._session = _start(bundle.contents[file], file, threads)
        _check_signature(self._session, file, self._shape, len(manifest.members))
        self.scores(np.zeros((1, *self._shape), dtype=np.float32))

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch; see ``Engine.scores``."""
        check_batch(batch, self._shape)
        result: NDArray[np.float32] = self._session.run([OUTPUT_NAME], {INPUT_NAME: batch})[0]
        return result


def why_not(bundle: Bundle) -> str | None:
    """Say in a sentence why a bundle's compiled graph cannot answer for it, or None if it can."""
    compiled = bundle.manifest.compiled
    if compiled is None:
        return "The bundle holds no compiled graph."
    if compiled.file not in bundle.contents:
        return f"The bundle lacks its compiled graph {compiled.file}."
    if compiled.sources != {member.file: member.sha256 for member in bundle.manifest.members}:
        return (
            f"The compiled graph {compiled.file} was made from other networks than the bundle "
            "holds now. Compile the bundle again."
        )
    return None


def _start(graph: bytes, file: str, threads: int) -> Any:
    try:
        import onnxruntime as ort  # noqa: PLC0415
    except ImportError as error:
        raise BundleError("ONNX Runtime is not installed here.") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # An idle thread that spins takes its core from the decoding of the next radiograph.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        # From the verified bytes, never from a path: what is loaded is what was checked, and a
        # graph that refers to weights in other files finds none.
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"The compiled graph {file} cannot be loaded.") from error


def _check_signature(session: Any, file: str, shape: tuple[int, int, int], members: int) -> None:
    inputs = {part.name: tuple(part.shape[1:]) for part in session.get_inputs()}
    outputs = {part.name: tuple(part.shape[1:]) for part in session.get_outputs()}
    if inputs != {INPUT_NAME: shape} or outputs.get(OUTPUT_NAME) != (members,):
        raise BundleError(
            f"The compiled graph {file} does not take the bundle's images and give one "
            "probability for each of its networks."
        )
