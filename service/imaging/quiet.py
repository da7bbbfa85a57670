"""Keeps the C library that reads TIFF from writing to standard error past every log."""

import ctypes

from PIL import _imaging


def silence_libtiff() -> bool:
    """Take libtiff's handlers of warnings and errors away; what fails is told by Pillow alone.

    Returns:
        Whether this Pillow's libtiff could be reached; it cannot where it is linked in statically.
    """
    try:
        # Looked up through Pillow's own module, so that it is the copy that Pillow uses.
        library = ctypes.CDLL(_imaging.__file__)
        setters = (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler)
    except (AttributeError, OSError, TypeError):
        return False
    for setter in setters:
        setter.argtypes, setter.restype = (ctypes.c_void_p,), ctypes.c_void_p
        setter(None)
    return True
