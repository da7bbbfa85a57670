"""The codes of the results, each from a public scheme; docs/hospital.md lists them."""

from typing import Final

from pydicom import Dataset
from pydicom.sr.coding import Code

CHEST_CAD_REPORT: Final = Code("112000", "DCM", "Chest CAD Report")


def item(code: Code) -> Dataset:
    """A code as an item of a code sequence."""
    made = Dataset()
    made.CodeValue = code.value
    made.CodingSchemeDesignator = code.scheme_designator
    made.CodeMeaning = code.meaning
    return made
