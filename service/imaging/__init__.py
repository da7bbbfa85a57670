"""Bytes to pixels to tensor: pure functions, without HTTP, settings or clock.

Training imports this package too, so that a network sees in service what it saw in training.
"""

from service.imaging.decode import Radiograph, decode
from service.imaging.errors import (
    CorruptImageError,
    ImagingError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    UnusableRadiographError,
)
from service.imaging.film import Box, Film, film_of
from service.imaging.header import DicomFacts
from service.imaging.prepare import InputSpec, extent, prepare

__all__ = [
    "Box",
    "CorruptImageError",
    "DicomFacts",
    "Film",
    "ImagingError",
    "InputSpec",
    "Radiograph",
    "SeveralFramesError",
    "TooManyPixelsError",
    "UnsupportedFormatError",
    "UnusableRadiographError",
    "decode",
    "extent",
    "film_of",
    "prepare",
]
