"""Members to one ONNX graph, accepted only if it answers as Keras does on real images."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle, file_sha256, open_bundle
from service.inference.engines.onnx import INPUT_NAME, OUTPUT_NAME, OnnxEngine
from service.inference.engines.tensorflow import TensorFlowEngine
from service.inference.ensemble import Ensemble
from service.inference.manifest import MANIFEST_FILE, Compiled, Manifest
from training.data import DataError, Record, one_per_patient, read_radiograph
from training.frames import to_tensor

GRAPH_FILE: Final = "ensemble.onnx"
TOLERANCE: Final = 1e-4
MIN_IMAGES: Final = 100
"""Fewest real images that the gate accepts as evidence."""

GATE_IMAGES: Final = 128
_THREADS: Final = 2


class CompileError(DataError):
    """The compiled graph does not agree with Keras; nothing was written."""


@dataclass(frozen=True)
class Agreement:
    """How a compiled graph compared with Keras.

    Attributes:
        images: Number of real images.
        largest_difference: Between any member's two probabilities of any image.
        verdicts_changed: Images that the two would call differently.
    """

    images: int
    largest_difference: float
    verdicts_changed: int


def compile_bundle(directory: Path, records: Sequence[Record]) -> Agreement:
    """Compile the members of a bundle and enter the graph in its manifest.

    Args:
        directory: A bundle with a manifest.
        records: Labelled images to compare on; ``GATE_IMAGES`` patients of them are used.

    Raises:
        BundleError: The bundle does not verify.
        CompileError: Too few images, or the graph differs from Keras. The bundle stays as it was.
    """
    bundle = open_bundle(directory)
    if bundle.provenance != "manifest":
        raise DataError("Only a bundle with a manifest can be compiled.")
    images = gate_images(bundle.manifest, records)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        graph = Path(scratch) / GRAPH_FILE
        export(bundle, graph)
        manifest = bundle.manifest.model_copy(
            update={
                "compiled": Compiled(
                    file=GRAPH_FILE,
                    sha256=file_sha256(graph),
                    sources={member.file: member.sha256 for member in bundle.manifest.members},
                )
            }
        )
        agreement = compare(bundle, manifest, graph.read_bytes(), images)
        graph.replace(directory / GRAPH_FILE)
    manifest.write(directory / MANIFEST_FILE)
    return agreement


def gate_images(manifest: Manifest, records: Sequence[Record]) -> NDArray[np.float32]:
    """Prepare one image each of ``GATE_IMAGES`` patients, drawn evenly over the folder.

    Returns:
        Shape (N, height, width, channels).
    """
    patients = one_per_patient(records)
    if len(patients) < MIN_IMAGES:
        raise CompileError(
            f"{len(patients)} patients are too few to compare the graph with Keras: "
            f"give a folder of at least {MIN_IMAGES}."
        )
    chosen = patients[:: max(1, len(patients) // GATE_IMAGES)][:GATE_IMAGES]
    frames = (read_radiograph(record.path).pixels for record in chosen)
    return np.stack([to_tensor(frame, manifest.input) for frame in frames])


def export(bundle: Bundle, path: Path) -> None:
    """Fuse all members into one graph and write it as ONNX, without any check."""
    spec = bundle.manifest.input
    inputs = keras.Input((spec.height, spec.width, spec.channels), name=INPUT_NAME)
    members = []
    for index, member in enumerate(bundle.manifest.members):
        loaded = keras.saving.load_model(bundle.directory / member.file, compile=False)
        # Two networks of one name cannot be parts of one model.
        renamed = keras.Model(loaded.inputs[0], loaded.outputs[0], name=f"member_{index}")
        members.append(renamed(inputs))
    joined = keras.layers.Concatenate(name=OUTPUT_NAME)(members) if members[1:] else members[0]
    model = keras.Model(inputs, joined)
    model(np.zeros((1, spec.height, spec.width, spec.channels), np.float32))  # exporting needs it
    model.export(path, format="onnx", verbose=False)
    _name_output(path)


def compare(
    bundle: Bundle, manifest: Manifest, graph: bytes, images: NDArray[np.float32]
) -> Agreement:
    """Run graph and Keras on the same images.

    Raises:
        CompileError: They differ by more than ``TOLERANCE`` or in a verdict.
    """
    compiled = Bundle(
        bundle.directory,
        manifest,
        bundle.digest,
        "manifest",
        {**bundle.contents, GRAPH_FILE: graph},
    )
    answers = [
        Ensemble(compiled, engine).score(images)
        for engine in (
            TensorFlowEngine(bundle, threads=_THREADS),
            OnnxEngine(compiled, threads=_THREADS),
        )
    ]
    members, verdicts = [], []
    for scores in answers:
        members.append(np.array([[m.probability for m in score.members] for score in scores]))
        combined = np.array([score.probability for score in scores])
        verdicts.append(combined.round(4) > manifest.threshold.value)
    agreement = Agreement(
        images=len(images),
        largest_difference=float(np.abs(members[0] - members[1]).max()),
        verdicts_changed=int((verdicts[0] != verdicts[1]).sum()),
    )
    if agreement.largest_difference > TOLERANCE or agreement.verdicts_changed:
        raise CompileError(
            f"The compiled graph differs from Keras by up to {agreement.largest_difference:.2g} "
            f"and in {agreement.verdicts_changed} verdicts; nothing was written."
        )
    return agreement


def _name_output(path: Path) -> None:
    """Give the graph's output its name; the exporter calls it after a TensorFlow operation."""
    import onnx  # noqa: PLC0415

    model = onnx.load(path)
    [output] = model.graph.output
    old, output.name = output.name, OUTPUT_NAME
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = OUTPUT_NAME
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
