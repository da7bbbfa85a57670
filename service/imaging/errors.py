"""What can be wrong with the bytes of an image.

Each class carries a stable ``code`` for programs and one sentence for people. The sentences name no
path, no library and no byte offset: they reach the client unchanged.
"""

from typing import ClassVar


class ImagingError(Exception):
    """The bytes received cannot be read as one usable radiograph."""

    code: ClassVar[str] = "unreadable_image"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnsupportedFormatError(ImagingError):
    """The file is not of a format, or of a pixel type, that is read here."""

    code = "unsupported_format"


class CorruptImageError(ImagingError):
    """The file says that it is an image but breaks off or contradicts itself."""

    code = "corrupt_image"


class TooManyPixelsError(ImagingError):
    """The header announces more pixels than are accepted; none was decoded."""

    code = "too_many_pixels"


class SeveralFramesError(ImagingError):
    """The file holds more than one picture, so that a verdict would not say of which."""

    code = "several_frames"


class UnusableRadiographError(ImagingError):
    """The picture decodes but cannot be a radiograph: blank, or too small to show a chest."""

    code = "unusable_radiograph"
