"""What clients rely on."""

from typing import Final

VERDICT_FIELDS: Final = [
    "predicted_class",
    "probability",
    "threshold",
    "assessment",
    "warnings",
    "members",
    "model",
    "image",
    "request_id",
    "summary",
    "scope",
    "next_step",
    "lungs",
    "indeterminate",
]
"""Fields of a verdict, in their order; the two first are read by clients of the first script."""
