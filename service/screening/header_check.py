"""What a file's header says against a verdict. Headers lie, so the picture decides where it can."""

from typing import Final

from service.errors import NotAChestRadiographError
from service.imaging import DicomFacts
from service.inference import Ages
from service.lungs import WarningCode

ADVICE: Final = "Send one frontal chest X-ray that shows both lungs."


def check_kind(header: DicomFacts | None) -> None:
    """Refuse what was not taken as a radiograph, whatever it looks like.

    A slice of a CT, or its scout, can look like a film of a chest and is none.

    Raises:
        NotAChestRadiographError: The header names another kind of image.
    """
    if header is not None and header.modality == "other":
        raise NotAChestRadiographError(
            "The file's header names another kind of image than a radiograph, such as CT, MR or "
            f"ultrasound, so it was not judged. {ADVICE}",
            reason="header_modality",
        )


def header_cautions(
    header: DicomFacts | None, doubts: tuple[WarningCode, ...], trained: Ages | None
) -> tuple[WarningCode, ...]:
    """Of what a reader should be warned because of a header.

    Args:
        header: Of the file, if its format has one.
        doubts: Warnings that the picture itself gave rise to.
        trained: Ages that the networks were mainly trained on; None if that is not known.

    Raises:
        NotAChestRadiographError: The header says that it is not a frontal view of a chest, and the
            picture gives rise to doubts as well.
    """
    if header is None:
        return ()
    disagrees = header.body_part == "other" or header.view in {"lateral", "oblique"}
    if disagrees and doubts:
        raise NotAChestRadiographError(
            "The file's header says that this is another view or another part of the body, and the "
            f"image leaves doubts too, so it was not judged. {ADVICE}",
            reason="header_disagrees",
        )
    found: dict[WarningCode, bool] = {
        "header_disagrees": disagrees,
        "outside_population": _is_outside(header.ages_years, trained),
        # Where letters were seen over the lungs, their warning says it already.
        "burned_in_text": header.burned_in is True and "text_overlay" not in doubts,
    }
    return tuple(code for code, applies in found.items() if applies)


def _is_outside(ages: tuple[int, ...], trained: Ages | None) -> bool:
    return trained is not None and any(age not in trained for age in ages)
