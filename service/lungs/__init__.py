"""Where the lungs are in a radiograph, and the views of them that the networks see.

Pure functions: no HTTP, no settings, no clock. Training calls the same ones, so that a network sees
in service what it saw in training.
"""

from service.lungs.field import (
    MARGIN,
    LungField,
    find_lungs,
    segmentation_input,
)
from service.lungs.outline import Point, outline
from service.lungs.pose import AS_RECEIVED, POSES, Pose
from service.lungs.regions import Mask
from service.lungs.suitability import (
    MAX_CHROMA,
    Limits,
    Look,
    Refusal,
    Suitability,
    WarningCode,
    best_look,
    is_clear,
    put_right,
    suitability_of,
)
from service.lungs.views import (
    View,
    enlarged,
    evidence_shares,
    lung_field,
    lungs_only,
    member_input,
    views,
)

__all__ = [
    "AS_RECEIVED",
    "MARGIN",
    "MAX_CHROMA",
    "POSES",
    "Limits",
    "Look",
    "LungField",
    "Mask",
    "Point",
    "Pose",
    "Refusal",
    "Suitability",
    "View",
    "WarningCode",
    "best_look",
    "enlarged",
    "evidence_shares",
    "find_lungs",
    "is_clear",
    "lung_field",
    "lungs_only",
    "member_input",
    "outline",
    "put_right",
    "segmentation_input",
    "suitability_of",
    "views",
]
