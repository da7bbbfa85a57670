"""Four-ink JPEGs: which way round their inks are, and those that do not say that they hold YCCK."""

from typing import Final

from PIL import Image, ImageChops

_MARKED: Final = "adobe"
_NEUTRAL: Final = range(112, 145)
"""Levels of Cb and Cr that are no colour: 128, and what JPEG makes of it."""


def has_inverted_inks(picture: Image.Image) -> bool:
    """Tell whether Pillow took a CMYK JPEG for its negative.

    Pillow supposes that all store 255 for no ink, which those with an Adobe marker do; the others
    store 0. Some do neither, and an ink that is all over the picture, or nowhere, gives them away.
    """
    extremes = [_extremes(picture, channel) for channel in range(4)]
    if any(least == 255 for least, _ in extremes):
        return True
    return all(most > 0 for _, most in extremes) and _MARKED not in picture.info


def plain_inks(picture: Image.Image) -> Image.Image:
    """Give a CMYK JPEG its inks, where an editor lost the marker that says it holds YCCK.

    Decoders then take luminance and colour differences for inks, and show the negative. In a grey
    picture the differences are neutral all over, which magenta and yellow are in none; a picture in
    colours does not tell, and is no radiograph.
    """
    if _MARKED in picture.info or not all(_is_neutral(picture, channel) for channel in (1, 2)):
        return picture
    luma, _, _, black = picture.split()
    grey = ImageChops.invert(luma)
    inks = Image.merge("CMYK", (grey, grey, grey, black))
    inks.info = picture.info
    return inks


def _is_neutral(picture: Image.Image, channel: int) -> bool:
    return all(level in _NEUTRAL for level in _extremes(picture, channel))


def _extremes(picture: Image.Image, channel: int) -> tuple[int, int]:
    least, most = picture.getextrema()[channel]  # type: ignore[misc]
    return int(least), int(most)
