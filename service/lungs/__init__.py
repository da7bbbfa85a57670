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
from service.lungs.views import VIEWS, View, lung_field, lungs_only, views

__all__ = [
    "MARGIN",
    "SEGMENTATION_SIDE",
    "VIEWS",
    "Box",
    "FieldSpec",
    "LungField",
    "View",
    "find_lungs",
    "lung_field",
    "lungs_only",
    "segmentation_input",
    "views",
]
