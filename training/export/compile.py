"""Members to compiled graphs, each accepted only if it answers as its origin on real images."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.inference.archive import inspect_archive
from service.inference.bundle import Bundle, file_sha256, open_bundle
from service.inference.engines import Engine
from service.inference.engines.onnx import OnnxEngine, OnnxSegmenter
from service.inference.engines.tensorflow import TensorFlowEngine
from service.inference.golden import make_golden
from service.inference.manifest import MANIFEST_FILE, Agreement, Compiled, Quantised
from training.data import DataError, Record, one_per_patient
from training.export.agreement import Judged, answers_of, compare, compare_precisions, refusal_of
from training.export.errors import CompileError
from training.export.graphs import export, quantise_members, shrink
from training.export.inputs import Images, seen
from training.export.lungs import LUNGS_GRAPH, LUNGS_INT8, LungsOutcome, compile_lungs

__all__ = ["GRAPH_FILES", "Agreement", "CompileError", "Outcome", "compile_bundle"]

GRAPH_FILE: Final = "ensemble.onnx"
INT8_FILE: Final = "ensemble.int8.onnx"
GRAPH_FILES: Final = (GRAPH_FILE, INT8_FILE, LUNGS_GRAPH, LUNGS_INT8)

TOLERANCE: Final = 5e-4
"""Most that the 32-bit graph may differ from Keras: in a probability, and in a map's value. Sums in
another order differ in their last bits, and a hundred layers carry that on; on some processors by
more than 1e-4."""

MIN_IMAGES: Final = 100
"""Fewest patients that the gate of the 32-bit graph accepts as evidence."""

GATE_IMAGES: Final = 128
"""Patients that it takes; the 8-bit graph is calibrated on the same."""

INT8_MIN_IMAGES: Final = 600
"""Fewest further patients that the gate of the 8-bit graph accepts as evidence."""

INT8_GATE_IMAGES: Final = 1024
INT8_GOLDEN_TOLERANCE: Final = 0.01
"""Most that another processor may answer differently in 8 bits: where its 32-bit parts round
otherwise, a value can fall into the next of 256 steps."""

_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What compiling a bundle gave.

    Attributes:
        agreement: Of the 32-bit graph with Keras.
        int8: Of the 8-bit graph with the 32-bit one; None when there is no 8-bit graph.
        refusal: Why there is none, in a sentence; empty when there is one.
        lungs: The same of the network that finds the lungs, if the bundle has one.
    """

    agreement: Agreement
    int8: Agreement | None
    refusal: str = ""
    lungs: LungsOutcome | None = None


def compile_bundle(
    directory: Path,
    records: Sequence[Record],
    elsewhere: Mapping[str, Sequence[Record]] | None = None,
) -> Outcome:
    """Compile the members of a bundle and enter the graphs in its manifest.

    An 8-bit graph that fails its gate is left out, and the outcome says why.

    Args:
        directory: A bundle with a manifest.
        records: Labelled images to compare on; one of each patient is used.
        elsewhere: Labelled images of other hospitals, by a name for each set, on which the 8-bit
            graph must agree as well.

    Raises:
        BundleError: The bundle does not verify.
        CompileError: Too few images, a set without lungs, or the 32-bit graph differs from Keras.
            The bundle stays as it was.
    """
    bundle = open_bundle(directory)
    if bundle.provenance != "manifest":
        raise DataError("Only a bundle with a manifest can be compiled.")
    patients = one_per_patient(records)
    if len(patients) < MIN_IMAGES:
        raise CompileError(
            f"{len(patients)} patients are too few to compare the graph with Keras: "
            f"give a folder of at least {MIN_IMAGES}."
        )
    shown = _spread(patients, GATE_IMAGES)
    others = _spread([record for record in patients if record not in set(shown)], INT8_GATE_IMAGES)
    members, entry = bundle.manifest.members, bundle.manifest.lungs
    networks = [member.file for member in members] + ([entry.file] if entry else [])
    for file in networks:
        inspect_archive(bundle.contents[file], file=file)
    lungs, segmenter = None, None
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        graph, small = Path(scratch) / GRAPH_FILE, Path(scratch) / INT8_FILE
        wide = Path(scratch) / "wide.onnx"
        if entry:
            judges = [] if _too_few(others) else others
            lungs = compile_lungs(bundle, entry, shown, judges, Path(scratch))
            bundle = lungs.bundle
            segmenter = OnnxSegmenter(bundle)
        files = [directory / member.file for member in members]
        export(files, bundle.manifest.input, wide, channels=bundle.manifest.channels)
        shrink(wide, graph)
        images, _ = seen(bundle, segmenter, shown)
        if 2 * len(images) < len(shown):
            raise CompileError(
                f"Lungs are found in {len(images)} of {len(shown)} images only: too few to compare "
                "the graph with Keras."
            )
        compiled = Compiled(
            file=GRAPH_FILE,
            sha256=file_sha256(graph),
            sources={member.file: member.sha256 for member in members},
        )
        bundle = _offer(bundle, compiled, graph)
        agreement = _judge_fp32(bundle, images)
        quantised, refusal = None, _too_few(others)
        if not refusal:
            quantise_members(wide, images, small)
            quantised, refusal = _judge_int8(
                bundle,
                compiled,
                small,
                seen(bundle, segmenter, others),
                {name: seen(bundle, segmenter, r) for name, r in (elsewhere or {}).items()},
            )
        if not quantised:
            small.unlink(missing_ok=True)
        for file in GRAPH_FILES:
            if (Path(scratch) / file).exists():
                (Path(scratch) / file).replace(directory / file)
            else:  # it did not pass its gate
                (directory / file).unlink(missing_ok=True)
    compiled = compiled.model_copy(update={"agreement": agreement, "int8": quantised})
    bundle.manifest.model_copy(update={"compiled": compiled}).write(directory / MANIFEST_FILE)
    return Outcome(agreement, quantised.agreement if quantised else None, refusal, lungs)


def _judge_fp32(bundle: Bundle, images: Images) -> Agreement:
    keras, graph = (
        answers_of(bundle, engine, images)
        for engine in (TensorFlowEngine(bundle, threads=_THREADS), _engine(bundle))
    )
    agreement = compare(keras, graph, bundle.manifest.threshold.value)
    apart = max(agreement.largest_difference, agreement.largest_map_difference or 0.0)
    if apart > TOLERANCE or agreement.verdicts_changed:
        raise CompileError(
            f"The compiled graph differs from Keras by up to {apart:.2g} "
            f"and in {agreement.verdicts_changed} verdicts; nothing was written."
        )
    return agreement


def _judge_int8(
    bundle: Bundle,
    compiled: Compiled,
    graph: Path,
    judged: Judged,
    elsewhere: Mapping[str, Judged],
) -> tuple[Quantised | None, str]:
    """The manifest's entry of an 8-bit graph, or why it gets none."""
    unjudged = Agreement(images=0, largest_difference=0, verdicts_changed=0)
    entry = Quantised(file=INT8_FILE, sha256=file_sha256(graph), agreement=unjudged, golden=())
    bundle = _offer(bundle, compiled.model_copy(update={"int8": entry}), graph)
    engine = OnnxEngine(bundle, precision="int8")
    for name, (images, _) in elsewhere.items():
        if not len(images):
            raise CompileError(f"Lungs are found in no film of {name}.")
    wide = _engine(bundle)
    agreement, *further = (
        compare_precisions(bundle, wide, engine, each) for each in (judged, *elsewhere.values())
    )
    others = dict(zip(elsewhere, further, strict=True))
    if refusal := refusal_of(agreement, others):
        return None, refusal
    manifest = bundle.manifest
    golden = make_golden(
        engine, manifest.input, views=len(manifest.views), tolerance=INT8_GOLDEN_TOLERANCE
    )
    found = {"agreement": agreement, "elsewhere": others, "golden": golden}
    return entry.model_copy(update=found), ""


def _too_few(records: Sequence[Record]) -> str:
    if len(records) < INT8_MIN_IMAGES or len({record.label for record in records}) < 2:
        return (
            f"{len(records)} further patients are too few to judge a graph in 8 bits: "
            f"{INT8_MIN_IMAGES} of both classes are needed."
        )
    return ""


def _offer(bundle: Bundle, compiled: Compiled, graph: Path) -> Bundle:
    """The bundle as it would be with one more graph."""
    return dataclasses.replace(
        bundle,
        manifest=bundle.manifest.model_copy(update={"compiled": compiled}),
        contents={**bundle.contents, graph.name: graph.read_bytes()},
    )


def _engine(bundle: Bundle) -> Engine:
    return OnnxEngine(bundle)


def _spread(records: Sequence[Record], count: int) -> list[Record]:
    """At most ``count`` records, drawn evenly over the list."""
    count = min(count, len(records))
    return [records[place * len(records) // count] for place in range(count)]
