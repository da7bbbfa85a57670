"""Colour to grey."""

import numpy as np

from service.imaging.layout import Levels


def luminance(colours: Levels) -> Levels:
    """Weigh red, green and blue by ITU-R 601-2, as Pillow does for 8 bits.

    Args:
        colours: Shape (..., 3 or more); what is behind the three is ignored.

    Returns:
        Shape (...), of the same depth.
    """
    red, green, blue = (colours[..., channel].astype(np.uint32) for channel in range(3))
    red *= 19595
    green *= 38470
    blue *= 7471
    red += green
    red += blue
    red += 0x8000
    red >>= 16
    return red.astype(colours.dtype)
