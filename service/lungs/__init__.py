"""Where the lungs are in a radiograph, and the views of them that the networks see.

Pure functions: no HTTP, no settings, no clock. Training calls the same ones, so that a network sees
in service what it saw in training.
"""

from service.lungs.field import (
    MARGIN,
    SEGMENTATION_SIDE,
    Box,
    FieldSpec,
    LungField,
    find_lungs,
    segmentation_input,
)
from service.lungs.pose import AS_RECEIVED, POSES, Pose
from service.lungs.suitability import (
    Limits,
    Look,
    Suitability,
    WarningCode,
    best_look,
    is_clear,
    suitability_of,
)
from service.lungs.views import VIEWS, View, lung_field, lungs_only, views

__all__ = [
    "AS_RECEIVED",
    "MARGIN",
    "POSES",
    "SEGMENTATION_SIDE",
    "VIEWS",
    "Box",
    "FieldSpec",
    "Limits",
    "Look",
    "LungField",
    "Pose",
    "Suitability",
    "View",
    "WarningCode",
    "best_look",
    "find_lungs",
    "is_clear",
    "lung_field",
    "lungs_only",
    "segmentation_input",
    "suitability_of",
    "views",
]
