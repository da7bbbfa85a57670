"""Engines compute the members' probabilities; which one serves a bundle is decided here."""

from dataclasses import dataclass
from typing import Literal

from service.inference.bundle import Bundle
from service.inference.engines.contract import Engine

__all__ = ["Engine", "EngineChoice", "LoadedEngine", "load_engine"]

EngineChoice = Literal["auto", "onnx", "tensorflow"]


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine, and what its operator should know about the choice of it.

    Attributes:
        engine: Loaded and warm.
        warning: Why it is not the one that the bundle was made for; empty when it is.
    """

    engine: Engine
    warning: str = ""


def load_engine(bundle: Bundle, *, threads: int, choice: EngineChoice = "auto") -> LoadedEngine:
    """Load the members of a freshly opened bundle.

    Args:
        bundle: As ``open_bundle`` gave it, with the contents of its files.
        threads: Processor threads that one call may use.
        choice: ``onnx`` or ``tensorflow`` take that engine or fail. ``auto`` takes the compiled
            graph when it was made from these very networks, and TensorFlow otherwise.

    Raises:
        BundleError: The engine cannot be had here, or a network does not fit the manifest.
    """
    # Each engine imports its library, TensorFlow for seconds and hundreds of megabytes: only who
    # needs one pays for it.
    from service.inference.engines.onnx import OnnxEngine, why_not  # noqa: PLC0415

    reason = why_not(bundle)
    if choice == "onnx" or (choice == "auto" and reason is None):
        return LoadedEngine(OnnxEngine(bundle, threads=threads))

    from service.inference.engines.tensorflow import TensorFlowEngine  # noqa: PLC0415

    stale = choice == "auto" and bundle.manifest.compiled is not None
    warning = f"{reason} TensorFlow answers instead." if stale else ""
    return LoadedEngine(TensorFlowEngine(bundle, threads=threads), warning)
