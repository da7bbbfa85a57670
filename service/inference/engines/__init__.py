"""Engines compute the members' probabilities; which one serves a bundle is decided here."""

from dataclasses import dataclass
from typing import Literal

from service.inference.bundle import Bundle
from service.inference.engines.contract import Engine, Precision
from service.inference.engines.processor import favours_int8
from service.inference.errors import BundleError

__all__ = ["Engine", "EngineChoice", "LoadedEngine", "Precision", "PrecisionChoice", "load_engine"]

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
        threads: Processor threads that one call may use.
        choice: ``onnx`` or ``tensorflow`` take that engine or fail. ``auto`` takes the compiled
            graph when it was made from these very networks, and TensorFlow otherwise.
        precision: ``fp32`` or ``int8`` take the graph of that precision or fail; TensorFlow has
            ``fp32`` only. ``auto`` takes ``int8`` when the bundle holds it and the processor is one
            on which it was measured to be faster.

    Raises:
        BundleError: The engine cannot be had here, or a network does not fit the manifest.
    """
    # Each engine imports its library, TensorFlow for seconds and hundreds of megabytes: only who
    # needs one pays for it.
    from service.inference.engines.onnx import OnnxEngine, why_not  # noqa: PLC0415

    reason = why_not(bundle)
    if choice == "onnx" or (choice == "auto" and reason is None):
        quick = precision == "auto" and favours_int8() and why_not(bundle, "int8") is None
        taken: Precision = "int8" if quick or precision == "int8" else "fp32"
        return LoadedEngine(OnnxEngine(bundle, threads=threads, precision=taken))
    if precision == "int8":
        raise BundleError(f"{reason or ''} TensorFlow cannot compute in 8 bits.".lstrip())

    from service.inference.engines.tensorflow import TensorFlowEngine  # noqa: PLC0415

    stale = choice == "auto" and bundle.manifest.compiled is not None
    warning = f"{reason} TensorFlow answers instead." if stale else ""
    return LoadedEngine(TensorFlowEngine(bundle, threads=threads), warning)
