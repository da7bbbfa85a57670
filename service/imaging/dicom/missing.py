"""What is answered where a package of the extra ``dicom`` is not installed."""

from service.imaging.errors import UnsupportedFormatError


def not_installed(what: str) -> UnsupportedFormatError:
    """The refusal; ``what`` is a clause that says what the package would do."""
    return UnsupportedFormatError(
        f"{what}, which this installation lacks. Install the extra 'dicom' of this package.",
        reason="not_installed",
    )
