"""What can be wrong with the bytes of an image."""

from service.errors import ServiceError


class ImagingError(ServiceError):
    """The bytes received cannot be read as one usable radiograph."""

    code = "unreadable_image"
    status = 422
    title = "Unreadable image"


class UnsupportedFormatError(ImagingError):
    """The file is not of a format, or of a pixel type, that is read here."""

    code = "unsupported_format"
    status = 415
    title = "Not an image format that is read here"


class CorruptImageError(ImagingError):
    """The file says that it is an image but breaks off or contradicts itself."""

    code = "corrupt_image"
    title = "Corrupt image"


class TooManyPixelsError(ImagingError):
    """The header announces more pixels than are accepted; none was decoded."""

    code = "too_many_pixels"
    title = "Too many pixels"


class SeveralFramesError(ImagingError):
    """The file holds more than one picture, so that a verdict would not say of which."""

    code = "several_frames"
    title = "Several frames"


class UnusableRadiographError(ImagingError):
    """The picture decodes but cannot be a radiograph: blank, or too small to show a chest."""

    code = "unusable_radiograph"
    title = "Not a usable radiograph"
