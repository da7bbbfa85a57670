"""From a models folder to scores: verify, load, compute, combine. Knows no HTTP and no settings."""

from service.inference.bundle import Bundle, describe_members, file_sha256, open_bundle
from service.inference.engines import Engine, EngineChoice, LoadedEngine, load_engine
from service.inference.ensemble import Ensemble, EnsembleScore, MemberScore, load_ensemble
from service.inference.errors import BundleError
from service.inference.golden import golden_inputs, make_golden
from service.inference.manifest import (
    MANIFEST_FILE,
    Calibration,
    Compiled,
    Golden,
    Labels,
    Manifest,
    MemberEntry,
    Metrics,
    Threshold,
    TrainingData,
)

__all__ = [
    "MANIFEST_FILE",
    "Bundle",
    "BundleError",
    "Calibration",
    "Compiled",
    "Engine",
    "EngineChoice",
    "Ensemble",
    "EnsembleScore",
    "Golden",
    "Labels",
    "LoadedEngine",
    "Manifest",
    "MemberEntry",
    "MemberScore",
    "Metrics",
    "Threshold",
    "TrainingData",
    "describe_members",
    "file_sha256",
    "golden_inputs",
    "load_engine",
    "load_ensemble",
    "make_golden",
    "open_bundle",
]
