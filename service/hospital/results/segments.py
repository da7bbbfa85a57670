"""Both lungs, as the model outlined them, as a Segmentation object (PS3.3 section A.51).

One binary frame for each lung, pixel for pixel on the source image.
"""

from typing import Final

import numpy as np
from highdicom import UID, AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.sr.coding import Code

from service import __version__
from service.hospital.results import codes
from service.hospital.results.case import Case
from service.hospital.results.uids import MANUFACTURER
from service.lungs import Mask
from service.screening.explanation import Explanation, LungsOnFrame

_SIDES: Final = (("left", codes.LEFT), ("right", codes.RIGHT))
_COLOURS: Final = {"left": (71.0, -32.0, -25.0), "right": (75.0, 15.0, 62.0)}
"""CIELab: a blue and an ochre, which are told apart in every form of colour blindness."""

_INSIDE: Final = 128
"""Of 255, what a pixel has more of inside than outside a lung."""


def segmentation(case: Case) -> Dataset | None:
    """Lay the outlines of both lungs onto the source image; None without lungs."""
    lungs = case.result.lungs if isinstance(case.result, Explanation) else None
    if lungs is None:
        return None
    masks = lung_masks(lungs, rows=case.source.rows, columns=case.source.columns)
    made = Segmentation(
        source_images=[case.stand_in()],
        pixel_array=masks,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _describe(case, number, side, laterality)
            for number, (side, laterality) in enumerate(_SIDES, start=1)
        ],
        series_instance_uid=UID(case.uid("series", "seg")),
        series_number=1,
        sop_instance_uid=UID(case.uid("instance", "seg")),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=case.model_name,
        software_versions=__version__,
        device_serial_number=case.device_serial,
        content_label="LUNGS",
        content_description=case.texts["series.seg"],
        omit_empty_frames=False,
    )
    made.PatientOrientation = list(case.source.orientation) or None
    organisation = case.uid("dimensions")
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = organisation
    for index in made.DimensionIndexSequence:
        index.DimensionOrganizationUID = organisation
    return case.complete(made, "seg", "SEG")


def lung_masks(lungs: LungsOnFrame, *, rows: int, columns: int) -> NDArray[np.uint8]:
    """Lay the masks of both lungs, which are of the film, onto the picture that holds it.

    Args:
        lungs: Where the lungs are.
        rows: Height of the picture, in pixels.
        columns: Its width.

    Returns:
        Shape (1, rows, columns, 2): 1 inside the patient's left and right lung, else 0.
    """
    masks = [
        _on_picture(lungs, mask, rows, columns) for mask in (lungs.field.left, lungs.field.right)
    ]
    return np.stack(masks, axis=-1)[None]


def _on_picture(lungs: LungsOnFrame, mask: Mask, rows: int, columns: int) -> NDArray[np.uint8]:
    left, top, right, bottom = lungs.film
    x, y = round(left * columns), round(top * rows)
    size = max(round(right * columns) - x, 1), max(round(bottom * rows) - y, 1)
    smooth = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    picture = Image.new("L", (columns, rows))
    picture.paste(smooth, (x, y))
    return (np.asarray(picture) > _INSIDE).astype(np.uint8)


def _describe(case: Case, number: int, side: str, laterality: Code) -> SegmentDescription:
    model = case.verdict.model
    segment = SegmentDescription(
        segment_number=number,
        segment_label=case.texts[f"seg.{side}"],
        segmented_property_category=codes.ANATOMICAL_STRUCTURE,
        segmented_property_type=codes.LUNG,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=model.name,
            family=codes.ARTIFICIAL_INTELLIGENCE,
            version=model.version,
            source=MANUFACTURER,
            parameters={"digest": model.digest},
        ),
        tracking_uid=case.uid("lung", side),
        tracking_id=f"{side} lung",
        display_color=CIELabColor(*_COLOURS[side]),
    )
    modifier = [codes.item(laterality)]
    segment.SegmentedPropertyTypeCodeSequence[
        0
    ].SegmentedPropertyTypeModifierCodeSequence = modifier
    segment.SegmentDescription = case.texts["seg.description"]
    return segment
