"""Members to compiled graphs, each accepted only if it answers as its origin on real images."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.inference.archive import inspect_archive
from service.inference.bundle import Bundle, file_sha256, open_bundle
from service.inference.engines import Engine
from service.inference.engines.onnx import OnnxEngine, OnnxSegmenter
from service.inference.engines.tensorflow import TensorFlowEngine
from service.inference.entries import Graph
from service.inference.golden import make_golden
from service.inference.manifest import MANIFEST_FILE, Agreement, Compiled, Manifest, Quantised
from training.data import DataError, Record, one_per_patient
from training.export.agreement import Judged, answers_of, compare, compare_precisions, refusal_of
from training.export.errors import CompileError
from training.export.graphs import export, quantise_member, shrink
from training.export.inputs import Images, seen
from training.export.lungs import LungsOutcome, compile_lungs

__all__ = ["Agreement", "CompileError", "Outcome", "compile_bundle"]

TOLERANCE: Final = 5e-4
"""Most that 32-bit graphs may differ from Keras: in a probability, and in a map's value. Sums in
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
        agreement: Of the 32-bit graphs with Keras.
        int8: Of the 8-bit graphs with the 32-bit ones; None when there are none.
        refusal: Why there is none, in a sentence; empty when there is one.
        lungs: The same of the network that finds the lungs, if the bundle has one.
    """

    agreement: Agreement
    int8: Agreement | None
    refusal: str = ""
    lungs: LungsOutcome | None = None


@dataclass(frozen=True, slots=True)
class _Graphs:
    """Files of one member's graphs: as exported, and as they are served."""

    wide: Path
    fp32: Path
    int8: Path

    @classmethod
    def of(cls, folder: Path, member: str) -> "_Graphs":
        name = Path(member).stem
        return cls(*(folder / f"{name}{end}.onnx" for end in (".wide", "", ".int8")))


def compile_bundle(
    directory: Path,
    records: Sequence[Record],
    elsewhere: Mapping[str, Sequence[Record]] | None = None,
) -> Outcome:
    """Compile the members of a bundle and enter the graphs in its manifest.

    Each member gets a graph of its own, which bears its name. 8-bit graphs that fail their gate are
    left out, and the outcome says why.

    Args:
        directory: A bundle with a manifest.
        records: Labelled images to compare on; one of each patient is used.
        elsewhere: Labelled images of other hospitals, by a name for each set, on which the 8-bit
            graph must agree as well.

    Raises:
        BundleError: The bundle does not verify.
        CompileError: Too few images, a set without lungs, or the 32-bit graphs differ from Keras.
            The bundle stays as it was.
    """
    bundle = open_bundle(directory)
    if bundle.provenance != "manifest":
        raise DataError("Only a bundle with a manifest can be compiled.")
    patients = one_per_patient(records)
    if len(patients) < MIN_IMAGES:
        raise CompileError(
            f"{len(patients)} patients are too few to compare graphs with Keras: "
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
        graphs = [_Graphs.of(Path(scratch), member.file) for member in members]
        stale = _served(bundle.manifest)
        if entry:
            judges = [] if _too_few(others) else others
            lungs = compile_lungs(bundle, entry, shown, judges, Path(scratch))
            bundle = lungs.bundle
            segmenter = OnnxSegmenter(bundle)
        _export(bundle, graphs)
        images, _ = seen(bundle, segmenter, shown)
        if 2 * len(images) < len(shown):
            raise CompileError(
                f"Lungs are found in {len(images)} of {len(shown)} images only: too few to compare "
                "graphs with Keras."
            )
        exact = [each.fp32 for each in graphs]
        sources = {member.file: member.sha256 for member in members}
        compiled = Compiled(**_named(exact), sources=sources)
        bundle = _offer(bundle, compiled, exact)
        agreement = _judge_fp32(bundle, images)
        quantised, refusal = None, _too_few(others)
        if not refusal:
            for each in graphs:
                quantise_member(each.wide, images, each.int8)
            quantised, refusal = _judge_int8(
                bundle,
                compiled,
                [each.int8 for each in graphs],
                seen(bundle, segmenter, others),
                {name: seen(bundle, segmenter, r) for name, r in (elsewhere or {}).items()},
            )
        compiled = compiled.model_copy(update={"agreement": agreement, "int8": quantised})
        manifest = bundle.manifest.model_copy(update={"compiled": compiled})
        Manifest.from_json(manifest.to_json().encode())  # no two files may have one name
        for file in _served(manifest):
            (Path(scratch) / file).replace(directory / file)
    manifest.write(directory / MANIFEST_FILE)
    for file in stale - _served(manifest):
        (directory / file).unlink(missing_ok=True)
    return Outcome(agreement, quantised.agreement if quantised else None, refusal, lungs)


def _export(bundle: Bundle, graphs: Sequence[_Graphs]) -> None:
    manifest = bundle.manifest
    files = [bundle.directory / member.file for member in manifest.members]
    wide = [each.wide for each in graphs]
    export(dict(zip(files, wide, strict=True)), manifest.input, channels=manifest.channels)
    for each in graphs:
        shrink(each.wide, each.fp32)


def _judge_fp32(bundle: Bundle, images: Images) -> Agreement:
    keras, graph = (
        answers_of(bundle, engine, images)
        for engine in (TensorFlowEngine(bundle, threads=_THREADS), _engine(bundle))
    )
    agreement = compare(keras, graph, bundle.manifest.threshold.value)
    apart = max(agreement.largest_difference, agreement.largest_map_difference or 0.0)
    if apart > TOLERANCE or agreement.verdicts_changed:
        raise CompileError(
            f"The compiled graphs differ from Keras by up to {apart:.2g} "
            f"and in {agreement.verdicts_changed} verdicts; nothing was written."
        )
    return agreement


def _judge_int8(
    bundle: Bundle,
    compiled: Compiled,
    graphs: Sequence[Path],
    judged: Judged,
    elsewhere: Mapping[str, Judged],
) -> tuple[Quantised | None, str]:
    """The manifest's entry of the 8-bit graphs, or why they get none."""
    unjudged = Agreement(images=0, largest_difference=0, verdicts_changed=0)
    entry = Quantised(**_named(graphs), agreement=unjudged, golden=())
    bundle = _offer(bundle, compiled.model_copy(update={"int8": entry}), graphs)
    engine = OnnxEngine(bundle, precision="int8")
    for name, (images, _) in elsewhere.items():
        if not len(images):
            raise CompileError(f"Lungs are found in no film of {name}.")
    wide = _engine(bundle)
    agreement, *there = (
        compare_precisions(bundle, wide, engine, each) for each in (judged, *elsewhere.values())
    )
    others = dict(zip(elsewhere, there, strict=True))
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


def _offer(bundle: Bundle, compiled: Compiled, graphs: Sequence[Path]) -> Bundle:
    """The bundle as it would be with these graphs as well."""
    return dataclasses.replace(
        bundle,
        manifest=bundle.manifest.model_copy(update={"compiled": compiled}),
        contents={**bundle.contents, **{graph.name: graph.read_bytes() for graph in graphs}},
    )


def _named(graphs: Sequence[Path]) -> dict[str, Any]:
    """Fields of a manifest's entry that say which graphs they are."""
    first, *further = (Graph(file=graph.name, sha256=file_sha256(graph)) for graph in graphs)
    return {**first.model_dump(), "further": further}


def _served(manifest: Manifest) -> set[str]:
    """Files of all graphs of a manifest."""
    entries = (manifest.compiled, manifest.lungs and manifest.lungs.compiled)
    return {graph.file for entry in entries if entry for graph in entry.every_graph}


def _engine(bundle: Bundle) -> Engine:
    return OnnxEngine(bundle)


def _spread(records: Sequence[Record], count: int) -> list[Record]:
    """At most ``count`` records, drawn evenly over the list."""
    count = min(count, len(records))
    return [records[place * len(records) // count] for place in range(count)]
