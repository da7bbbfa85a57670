"""The radiograph with outlines, map and verdict drawn into it, for viewers that show pictures only.

A Secondary Capture Image (PS3.3 section A.8.1) in colour.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from service.hospital.results.case import Case
from service.hospital.results.codes import SOURCE_IMAGE, item
from service.i18n import texts
from service.report import font_files
from service.screening.explanation import Explanation
from service.screening.overlay import colour_ramp, frame, overlay
from service.screening.wording import assess, numbers, warn

LEAST_WIDTH: Final = 640
"""Pixels: below it, the words would take more room than the radiograph."""

_MARGIN: Final = 12
_SIZES: Final = {"strong": 24, "plain": 17}
"""Of letters at the least width, in pixels; on wider pictures they grow with it."""

_WHITE: Final = (255, 255, 255)


def secondary_capture(case: Case) -> Dataset:
    """Draw the picture and wrap it."""
    pixels = np.asarray(draw(case))
    made = Dataset()
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.ConversionType = "WSD"
    made.DateOfSecondaryCapture = f"{case.made_at:%Y%m%d}"
    made.TimeOfSecondaryCapture = f"{case.made_at:%H%M%S}"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BodyPartExamined = "CHEST"
    made.PatientOrientation = list(case.source.orientation) or None
    made.DerivationDescription = case.texts["sc.derivation"]
    source = case.reference()
    source.PurposeOfReferenceCodeSequence = [item(SOURCE_IMAGE)]
    made.SourceImageSequence = [source]
    made.ImageComments = case.texts["status"]
    made.BurnedInAnnotation = "YES" if case.source.burned_in else "NO"
    for element in case.source.lossy:
        made.add(element)
    made.SamplesPerPixel, made.PlanarConfiguration = 3, 0
    made.PhotometricInterpretation = "RGB"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.Rows, made.Columns = pixels.shape[:2]
    made.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    return case.complete(made, "sc", "OT")


def draw(case: Case) -> Image.Image:
    """The radiograph, with its map and the lungs if there is a map, above the verdict in words."""
    result = case.result
    if isinstance(result, Explanation):
        picture = overlay(result)
    else:
        picture = frame(result.radiograph).convert("RGB")
    if picture.width < LEAST_WIDTH:
        height = round(picture.height * LEAST_WIDTH / picture.width)
        picture = picture.resize((LEAST_WIDTH, height), Image.Resampling.BICUBIC)
    words = _words(case, picture.width)
    whole = Image.new("RGB", (picture.width, picture.height + words.height))
    whole.paste(picture)
    whole.paste(words, (0, picture.height))
    return whole


def _words(case: Case, width: int) -> Image.Image:
    """The verdict in words, white on black, as high as it needs to be."""
    report = texts(case.options.language)["report"]
    sizes = {weight: round(size * width / LEAST_WIDTH) for weight, size in _SIZES.items()}
    fonts = {
        weight: ImageFont.truetype(font_files()[weight], size) for weight, size in sizes.items()
    }
    lines = [
        (line, fonts[weight])
        for text, weight in _paragraphs(case)
        for line in _wrapped(text, fonts[weight], width - 2 * _MARGIN)
    ]
    scale = 2 * sizes["plain"] if isinstance(case.result, Explanation) else 0
    height = sum(round(font.size * 1.4) for _, font in lines) + 2 * _MARGIN + scale
    block = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(block)
    y = _MARGIN
    if scale:
        _draw_scale(block, pen, fonts["plain"], (report["image.weak"], report["image.strong"]), y)
        y += scale
    for line, font in lines:
        pen.text((_MARGIN, y), line, font=font, fill=_WHITE)
        y += round(font.size * 1.4)
    return block


def _paragraphs(case: Case) -> Iterator[tuple[str, str]]:
    verdict, language = case.verdict, case.options.language
    report = texts(language)["report"]
    yield assess(verdict, language), "strong"
    values = numbers(verdict, language)
    figures = (report[f"verdict.{name}"].format(**values) for name in ("probability", "threshold"))
    yield ", ".join(figures), "plain"
    for warning in warn(verdict, language):
        yield warning["detail"], "plain"
    yield case.texts["status"], "plain"
    yield f"{case.model_name}, {verdict.model.digest[:19]}, {case.made_at:%Y-%m-%d %H:%M}", "plain"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    if line:
        yield line


def _draw_scale(
    block: Image.Image,
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    labels: tuple[str, str],
    y: int,
) -> None:
    """The colours of the map from weak to strong, between their labels."""
    weak, strong = labels
    left = _MARGIN + round(font.getlength(weak)) + 8
    bar = Image.fromarray(np.tile(colour_ramp()[None], (round(font.size), 1, 1)))
    block.paste(bar, (left, y + 4))
    pen.text((_MARGIN, y), weak, font=font, fill=_WHITE)
    pen.text((left + bar.width + 8, y), strong, font=font, fill=_WHITE)
