"""Engines compute the members' probabilities; which one serves a bundle is decided here."""

from dataclasses import dataclass
from typing import Literal

from service.inference.bundle import Bundle
from service.inference.engines.contract import Engine, Precision, Segmenter
from service.inference.engines.processor import favours_int8
from service.inference.errors import BundleError

__all__ = [
    "Engine",
    "EngineChoice",
    "LoadedEngine",
    "LoadedSegmenter",
    "Precision",
    "PrecisionChoice",
    "Segmenter",
    "load_engine",
    "load_segmenter",
]

EngineChoice = Literal["auto", "onnx", "tensorflow"]
PrecisionChoice = Literal["auto", "fp32", "int8"]


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine, and what its operator should know about the choice of it.

    Attributes:
        engine: Loaded and warm.
        warning: Why it is not the one that the bundle was made for; empty when it is.
    """

    engine: Engine
    warning: str = ""


@dataclass(frozen=True, slots=True)
class LoadedSegmenter:
    """A segmenter, and what its operator should know; see ``LoadedEngine``."""

    segmenter: Segmenter
    warning: str = ""


def load_engine(
    bundle: Bundle,
    *,
    threads: int,
    choice: EngineChoice = "auto",
    precision: PrecisionChoice = "auto",
) -> LoadedEngine:
    """Load the members of a freshly opened bundle.

    Args:
        bundle: As ``open_bundle`` gave it, with the contents of its files.
        threads: Processor threads that one call may use. One of TensorFlow uses them always, one of
            compiled graphs as many as there are graphs, while no other call is at work.
        choice: ``onnx`` or ``tensorflow`` take that engine or fail. ``auto`` takes the compiled
            graphs when they were made from these very networks, and TensorFlow otherwise.
        precision: ``fp32`` or ``int8`` take the graphs of that precision or fail; TensorFlow has
            ``fp32`` only. ``auto`` takes ``int8`` when the bundle holds them and the processor is
            one on which it was measured to be faster.

    Raises:
        BundleError: The engine cannot be had here, or a network does not fit the manifest.
    """
    # Each engine imports its library, TensorFlow for seconds and hundreds of megabytes: only who
    # needs one pays for it.
    from service.inference.engines.onnx import OnnxEngine, why_not

    reason = why_not(bundle)
    if choice == "onnx" or (choice == "auto" and reason is None):
        quick = precision == "auto" and favours_int8() and why_not(bundle, "int8") is None
        taken: Precision = "int8" if quick or precision == "int8" else "fp32"
        return LoadedEngine(OnnxEngine(bundle, precision=taken, threads=threads))
    if precision == "int8":
        raise BundleError(f"{reason or ''} TensorFlow cannot compute in 8 bits.".lstrip())

    from service.inference.engines.tensorflow import TensorFlowEngine

    stale = choice == "auto" and bundle.manifest.compiled is not None
    warning = f"{reason} TensorFlow answers instead." if stale else ""
    return LoadedEngine(TensorFlowEngine(bundle, threads=threads), warning)


def load_segmenter(
    bundle: Bundle,
    *,
    threads: int,
    choice: EngineChoice = "auto",
    precision: PrecisionChoice = "auto",
) -> LoadedSegmenter | None:
    """Load the network that finds the lungs, if a freshly opened bundle has one.

    Args:
        bundle: As for ``load_engine``; so are ``threads`` and ``choice``.
        threads: See there.
        choice: See there.
        precision: As for ``load_engine``, but ``int8`` takes the 32-bit graph where there is no
            8-bit one: whether 8 bits suffice was judged for each graph by itself.

    Raises:
        BundleError: As ``load_engine``.
    """
    entry = bundle.manifest.lungs
    if entry is None:
        return None
    from service.inference.engines.onnx import OnnxSegmenter, why_not_lungs

    reason = why_not_lungs(bundle)
    if choice == "onnx" or (choice == "auto" and reason is None):
        wanted = precision == "int8" or (precision == "auto" and favours_int8())
        narrow = wanted and why_not_lungs(bundle, "int8") is None
        taken: Precision = "int8" if narrow else "fp32"
        return LoadedSegmenter(OnnxSegmenter(bundle, precision=taken))

    from service.inference.engines.tensorflow import TensorFlowSegmenter

    stale = choice == "auto" and entry.compiled is not None
    warning = f"{reason} TensorFlow finds the lungs instead." if stale else ""
    return LoadedSegmenter(TensorFlowSegmenter(bundle, threads=threads), warning)
