"""Reads what a DICOM header says that bears on a verdict."""

import re
import unicodedata
from datetime import date
from typing import Final

from service.imaging.dicom.dataset import DataSet
from service.imaging.header import BodyPart, DicomFacts, ModalityKind, View

_MODALITY, _BODY_PART, _VIEW = 0x00080060, 0x00180015, 0x00185101
_BIRTH_DATE, _AGE = 0x00100030, 0x00101010
_DATES: Final = (0x00080022, 0x00080020, 0x00080021)  # acquisition, study, series
_BURNED_IN: Final = 0x00280301
_PHOTOMETRIC: Final = 0x00280004

_RADIOGRAPHS: Final = frozenset({"CR", "DX", "RG", "DR"})
_OTHERS: Final = frozenset({
    "AR", "BDUS", "BMD", "CT", "CTPROTOCOL", "DG", "DMS", "ECG", "EPS", "ES", "GM", "HD", "IVOCT",
    "IVUS", "KER", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPTBSV",
    "OPTENF", "OPV", "OSS", "PT", "PX", "IO", "RESP", "RTDOSE", "RTIMAGE", "SEG", "SM", "SRF", "ST",
    "TG", "US", "VA",
})  # fmt: skip
"""Of the defined terms (PS3.3, C.7.3.1.1.1), those of which no picture is a plain radiograph. A
secondary capture (OT, SC), fluoroscopy (XA, RF) or photograph (XC) may be of one."""

_CHEST: Final = ("CHEST", "THORAX", "TORAX", "LUNG", "PULMO", "HEART", "PECHO", "RIB")
_OTHER_PARTS: Final = (
    "ABD", "ANKLE", "ARM", "BREAST", "CALC", "CERVIC", "CLAVIC", "COCCYX", "CSPINE", "ELBOW",
    "EXTREM", "FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HIP", "HUMERUS", "IAC", "JAW",
    "KNEE", "LEG", "LSPINE", "LUMB", "MANDIB", "MAXIL", "NECK", "NOSE", "ORBIT", "PATEL", "PELVI",
    "RADIUS", "SACRUM", "SCAPULA", "SHOULDER", "SINUS", "SKULL", "SPINE", "SSPINE", "STERN",
    "TEETH", "THIGH", "THUMB", "TIBIA", "TMJ", "TOE", "TOOTH", "TSPINE", "ULNA", "WRIST", "ZYGOMA",
    "CABEZA", "CADERA", "CODO", "COLUMNA", "CRANEO", "DEDO", "HOMBRO", "MANO", "MUNECA", "PIE",
    "PIERNA", "RODILLA", "TOBILLO",
)  # fmt: skip
"""How names of other parts begin: defined terms (PS3.16, annex L) and Spanish words."""

_VIEWS: Final[dict[str, View]] = {
    **dict.fromkeys(("AP", "PA", "LLD", "RLD"), "frontal"),
    **dict.fromkeys(("LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT"), "lateral"),
    **dict.fromkeys(("LAO", "LPO", "RAO", "RPO", "LLO", "RLO", "OBL", "OBLIQUE"), "oblique"),
}
"""Of the position of the view (PS3.3, C.8.1.1 and C.8.11.5). A decubitus view is a frontal one."""

_VIEW_CODES, _CODE = 0x00540220, 0x00080100
_CODED_VIEWS: Final[dict[str, View]] = {
    **dict.fromkeys(("399348003", "R-10206", "272479007", "R-10214"), "frontal"),
    **dict.fromkeys(("399067008", "399173006", "R-10236", "399198007", "R-10232"), "lateral"),
    **dict.fromkeys(("399135007", "399006002", "399356000", "399038007"), "oblique"),
}
"""Codes of the view (PS3.16, CID 4010), in SNOMED's former and present notation."""

_MAX_AGE: Final = 110


def read_facts(main: DataSet) -> DicomFacts:
    """Read what a header says. Broken or unknown values count as absent."""
    return DicomFacts(
        modality=_modality(_code(main, _MODALITY)),
        body_part=_body_part(_code(main, _BODY_PART)),
        view=_VIEWS.get(_code(main, _VIEW)) or _view_code(main),
        ages_years=_ages(main),
        burned_in={"YES": True, "NO": False}.get(_code(main, _BURNED_IN)),
        white_is_zero=_code(main, _PHOTOMETRIC) == "MONOCHROME1",
    )


def _code(main: DataSet, tag: int) -> str:
    """A code in capitals, without accents and spaces."""
    plain = unicodedata.normalize("NFKD", main.text(tag).upper())
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())


def _modality(code: str) -> ModalityKind:
    if code in _RADIOGRAPHS:
        return "radiograph"
    return "other" if code in _OTHERS else "unclear"


def _body_part(code: str) -> BodyPart | None:
    if any(name in code for name in _CHEST):
        return "chest"
    return "other" if code.startswith(_OTHER_PARTS) else None


def _view_code(main: DataSet) -> View | None:
    """The view by its code, as DX units write it."""
    item = main.first_item(_VIEW_CODES)
    return None if item is None else _CODED_VIEWS.get(item.text(_CODE))


def _ages(main: DataSet) -> tuple[int, ...]:
    """The age as it is written, and by dates where these say another one."""
    written, counted = _written_age(main), _counted_age(main)
    ages = [age for age in (written, counted) if age is not None and 0 <= age <= _MAX_AGE]
    # By a year they differ where a date or an age was rounded, as for anonymity.
    return tuple(ages) if len(ages) == 2 and abs(ages[0] - ages[1]) > 1 else tuple(ages[:1])


def _written_age(main: DataSet) -> int | None:
    written = re.fullmatch(r"(\d{1,3})([DWMY]?)", _code(main, _AGE))
    if written is None:
        return None
    # Without a unit, which the standard wants, it means years.
    per_year = {"D": 365.25, "W": 52.18, "M": 12}.get(written[2], 1)
    return int(int(written[1]) / per_year)


def _counted_age(main: DataSet) -> int | None:
    """The age from the day of birth to that of the picture."""
    born = _day(main.text(_BIRTH_DATE))
    taken = next(filter(None, (_day(main.text(tag)) for tag in _DATES)), None)
    if born is None or taken is None:
        return None
    return taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))


def _day(text: str) -> date | None:
    digits = text.replace(".", "").replace("-", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None
