"""From a models folder to scores: verify, load, compute, combine. Knows no HTTP and no settings."""

from service.inference.bundle import Bundle, describe_members, file_sha256, open_bundle
from service.inference.engines import (
    Engine,
    EngineChoice,
    LoadedEngine,
    Precision,
    PrecisionChoice,
    load_engine,
)
from service.inference.ensemble import (
    Ensemble,
    EnsembleScore,
    Explained,
    MemberScore,
    load_ensemble,
)
from service.inference.errors import BundleError, NotExplainableError
from service.inference.golden import golden_inputs, make_golden
from service.inference.manifest import (
    MANIFEST_FILE,
    Agreement,
    Calibration,
    Compiled,
    Golden,
    Labels,
    Manifest,
    MemberEntry,
    Metrics,
    Quantised,
    Threshold,
    TrainingData,
)

__all__ = [
    "MANIFEST_FILE",
    "Agreement",
    "Bundle",
    "BundleError",
    "Calibration",
    "Compiled",
    "Engine",
    "EngineChoice",
    "Ensemble",
    "EnsembleScore",
    "Explained",
    "Golden",
    "Labels",
    "LoadedEngine",
    "Manifest",
    "MemberEntry",
    "MemberScore",
    "Metrics",
    "NotExplainableError",
    "Precision",
    "PrecisionChoice",
    "Quantised",
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
