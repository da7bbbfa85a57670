"""What a file's header says that bears on a verdict, in a closed vocabulary.

Every field is one of a few words or a number of years. Nothing that a file says is passed on as it
is written, so that no identifier can hide in it, whatever field somebody typed it into.
"""

from dataclasses import dataclass
from typing import Literal

ModalityKind = Literal["radiograph", "unclear", "other"]
BodyPart = Literal["chest", "other"]
View = Literal["frontal", "lateral", "oblique"]


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """What a DICOM header says of its picture.

    Attributes:
        modality: Whether it was taken as a radiograph; ``other`` for CT, MR, ultrasound and so on;
            ``unclear`` where the header does not say, or names what may be of a radiograph.
        body_part: What it is of; None where the header does not say, or says no known name.
        view: From where it was taken; None as for the part.
        ages_years: Whole years of the patient's age as it is written, or by the dates of birth and
            of the picture; both where they contradict each other.
        burned_in: Whether letters are burned into the picture; None where the header does not say.
        white_is_zero: Whether the file stores white as 0.
    """

    modality: ModalityKind = "unclear"
    body_part: BodyPart | None = None
    view: View | None = None
    ages_years: tuple[int, ...] = ()
    burned_in: bool | None = None
    white_is_zero: bool = False
