"""The network that finds the lungs as compiled graphs, each accepted only if it finds the same."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from service.inference.bundle import Bundle, file_sha256
from service.inference.engines import Segmenter
from service.inference.engines.onnx import OnnxSegmenter
from service.inference.engines.tensorflow import TensorFlowSegmenter
from service.inference.golden import make_lungs_golden
from service.inference.manifest import Agreement, Compiled, LungsEntry, Quantised
from service.lungs import find_lungs
from training.data import Record
from training.export.errors import CompileError
from training.export.graphs import export_lungs, quantise_lungs, shrink
from training.export.inputs import Images, frames

LUNGS_GRAPH: Final = "lungs.onnx"
LUNGS_INT8: Final = "lungs.int8.onnx"

TOLERANCE: Final = 1e-4
"""Most that the 32-bit graph's probability may differ from Keras', in any pixel."""

INT8_MIN_DICE: Final = 0.99
"""Least mean Dice coefficient between the masks of 8 and of 32 bits."""

INT8_MAX_CHANGED: Final = 0.005
"""Largest share of images in which only one of the two finds lungs."""

INT8_GOLDEN_TOLERANCE: Final = 0.02
"""Most that another processor may answer differently in 8 bits; see ``compile``."""

_THREADS: Final = 2
_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class LungsOutcome:
    """What compiling the segmentation network gave.

    Attributes:
        bundle: The bundle with the graphs entered and at hand.
        agreement: Of the 32-bit graph with Keras.
        int8: Of the 8-bit graph with the 32-bit one; None when there is no 8-bit graph.
        refusal: Why there is none, in a sentence; empty when there is one.
    """

    bundle: Bundle
    agreement: Agreement
    int8: Agreement | None
    refusal: str = ""


def compile_lungs(
    bundle: Bundle, entry: LungsEntry, shown: Sequence[Record], others: Sequence[Record], to: Path
) -> LungsOutcome:
    """Compile the segmentation network of a bundle.

    Args:
        bundle: Freshly opened, with the contents of its files.
        entry: Its manifest's entry for the lungs.
        shown: Images that the 32-bit graph is judged on and the 8-bit graph is calibrated on.
        others: Images that the 8-bit graph is judged on; none gives no such graph.
        to: Folder for the graphs.

    Raises:
        CompileError: The 32-bit graph differs from Keras.
    """
    wide, graph, small = to / "lungs.wide.onnx", to / LUNGS_GRAPH, to / LUNGS_INT8
    export_lungs(bundle.directory / entry.file, entry.side, wide)
    shrink(wide, graph)
    compiled = Compiled(
        file=LUNGS_GRAPH, sha256=file_sha256(graph), sources={entry.file: entry.sha256}
    )
    bundle = _with_graph(bundle, entry, compiled, graph)
    images = frames(shown, entry.side)
    theirs, ours = (
        TensorFlowSegmenter(bundle, threads=_THREADS),
        OnnxSegmenter(bundle),
    )
    agreement = _compare(theirs, ours, images, entry.threshold)
    if agreement.largest_difference > TOLERANCE or agreement.verdicts_changed:
        raise CompileError(
            f"The compiled graph of {entry.file} differs from Keras by up to "
            f"{agreement.largest_difference:.2g} and finds lungs in other images "
            f"{agreement.verdicts_changed} times; nothing was written."
        )
    compiled = compiled.model_copy(update={"agreement": agreement})
    bundle = _with_graph(bundle, entry, compiled, graph)
    if not others:
        return LungsOutcome(bundle, agreement, None, "There are no images to judge 8 bits on.")
    quantise_lungs(wide, images, small)
    unjudged = Agreement(images=0, largest_difference=0, verdicts_changed=0)
    quantised = Quantised(file=LUNGS_INT8, sha256=file_sha256(small), agreement=unjudged, golden=())
    offered = _with_graph(bundle, entry, compiled.model_copy(update={"int8": quantised}), small)
    narrow = OnnxSegmenter(offered, precision="int8")
    judged = _compare(ours, narrow, frames(others, entry.side), entry.threshold)
    if (
        judged.verdicts_changed > INT8_MAX_CHANGED * len(others)
        or (judged.dice or 0) < INT8_MIN_DICE
    ):
        small.unlink()
        return LungsOutcome(
            bundle,
            agreement,
            None,
            f"In 8 bits the lungs' masks agree with a Dice coefficient of {judged.dice:.4f} (at "
            f"least {INT8_MIN_DICE:g}), and lungs are found or lost in {judged.verdicts_changed} "
            f"of {len(others)} images (at most {INT8_MAX_CHANGED:.1%}).",
        )
    golden = make_lungs_golden(narrow, entry.side, tolerance=INT8_GOLDEN_TOLERANCE)
    quantised = quantised.model_copy(update={"agreement": judged, "golden": golden})
    compiled = compiled.model_copy(update={"int8": quantised})
    return LungsOutcome(_with_graph(bundle, entry, compiled, small), agreement, judged)


def _with_graph(bundle: Bundle, entry: LungsEntry, compiled: Compiled, graph: Path) -> Bundle:
    lungs = entry.model_copy(update={"compiled": compiled})
    return dataclasses.replace(
        bundle,
        manifest=bundle.manifest.model_copy(update={"lungs": lungs}),
        contents={**bundle.contents, graph.name: graph.read_bytes()},
    )


def _compare(one: Segmenter, other: Segmenter, images: Images, threshold: float) -> Agreement:
    apart, changed, dice = 0.0, 0, []
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        for first, second in zip(one.probabilities(batch), other.probabilities(batch), strict=True):
            apart = max(apart, float(np.abs(first - second).max()))
            side = first.shape[0]
            fields = [find_lungs(each, side, side, threshold) for each in (first, second)]
            changed += (fields[0] is None) != (fields[1] is None)
            masks = [each > threshold for each in (first, second)]
            size = int(masks[0].sum() + masks[1].sum())
            dice.append(2 * int((masks[0] & masks[1]).sum()) / size if size else 1.0)
    return Agreement(
        images=len(images),
        largest_difference=apart,
        verdicts_changed=changed,
        dice=round(float(np.mean(dice)), 6),
    )
