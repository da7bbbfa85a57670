"""Which object a file holds, by its header."""

import io
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from service.hospital.results.uids import MANUFACTURER, is_uid


@dataclass(frozen=True, slots=True)
class Identity:
    """Which object a file holds, and whose equipment made it."""

    sop_class: str
    sop_instance: str
    study: str
    manufacturer: str

    @property
    def is_own_result(self) -> bool:
        """Whether this service made it, here or on another machine."""
        return self.manufacturer == MANUFACTURER


def identity_of(data: bytes) -> Identity | None:
    """Read which object a file holds, without its pixels; None if it does not say."""
    tags = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Manufacturer"]
    try:
        header = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(tags))
        found = [str(header.get(tag) or "") for tag in tags]
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, NotImplementedError):
        return None
    return Identity(*found) if is_uid(found[1]) else None


def uid_of_file(path: Path) -> str | None:
    """The SOP Instance UID of a file; None if it does not say."""
    try:
        found = identity_of(path.read_bytes())
    except OSError:
        return None
    return found.sop_instance if found else None
