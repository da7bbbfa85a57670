"""DICOM: the picture in a file and what its header says of it. Pure functions."""

from service.imaging.dicom.library import read_header
from service.imaging.dicom.pixels import read_layout

__all__ = ["read_header", "read_layout"]
