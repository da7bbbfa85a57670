"""What the members see: the lungs cut out of the full-resolution picture."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Box, InputSpec, Radiograph, extent, prepare
from service.lungs.field import MARGIN, LungField, dilate
from service.lungs.regions import Mask

View = Literal["lung_field", "lungs_only"]
VIEWS: Final[tuple[View, ...]] = ("lung_field", "lungs_only")
LUNG_MASK: Final = "lung_mask"

_REDUCING_GAP: Final = 3.0
"""Large pictures are first averaged over blocks, to three times the size that is wanted: a fair
resize to the eye, at a fraction of the time (Pillow's documentation of ``reducing_gap``)."""

NEGLIGIBLE: Final = 0.01
"""Share of a map's evidence below which what speaks for pneumonia is a rounding of what does not:
how it is shared between the lungs would mean nothing."""

Floats = NDArray[np.float32]


def lung_field(
    radiograph: Radiograph,
    field: LungField,
    side: int,
    margin: float = MARGIN,
    box: Box | None = None,
) -> Floats:
    """Cut out the box of the lungs with a margin, each axis scaled to the square.

    Where the box reaches beyond the frame, the frame's edge is repeated: a network cannot see where
    the film ended.

    Args:
        radiograph: Upright grey levels.
        field: Where its lungs are.
        side: Of the view, in pixels.
        margin: Added on each side, as a share of the box's width or height.
        box: Taken in place of the field's, as training does that jitters it.

    Returns:
        Shape (side, side, 1), float32 from 0 to 1.

    Raises:
        ValueError: The box is empty, or lies wholly outside the frame.
    """
    width, height = extent(radiograph)
    cut = _scaled(enlarged(box or field.box, margin), width, height)
    inside = (floor(width), floor(height))
    small = _resized(radiograph.picture, cut, inside, (side, side), repeat_edge=True)
    return small[..., np.newaxis]


def lungs_only(
    view: Floats, field: LungField, margin: float = MARGIN, box: Box | None = None
) -> Floats:
    """Hide all but the lungs in a lung-field view.

    Outside the dilated mask, everything takes the median grey level of the inside. The change is
    soft over the width of a cell of the mask.

    Args:
        view: As ``lung_field`` gave it for the same field, margin and box.
        field: Where the lungs are.
        margin: As for ``lung_field``.
        box: As for ``lung_field``.

    Returns:
        Shape and range of ``view``.
    """
    return _hidden_outside(view, lung_alpha(field, view.shape[0], margin, box)[..., np.newaxis])


def _hidden_outside(view: Floats, alpha: Floats) -> Floats:
    inside = view[alpha >= 0.5]
    level = np.float32(np.median(inside if inside.size else view))
    return level + alpha * (view - level)


def views(
    radiograph: Radiograph,
    field: LungField,
    side: int,
    names: Sequence[str] = VIEWS,
    margin: float = MARGIN,
    box: Box | None = None,
) -> Floats:
    """Make the views that a bundle's members take.

    Args:
        radiograph: Upright grey levels.
        field: Where its lungs are.
        side: Of each view, in pixels.
        names: Which, in the order of the channels: views, or ``lung_mask`` for the lungs in them.
        margin: As for ``lung_field``.
        box: As for ``lung_field``.

    Returns:
        Shape (side, side, len(names)), float32 from 0 to 1.
    """
    planes = {"lung_field": lung_field(radiograph, field, side, margin, box)}
    if "lungs_only" in names or LUNG_MASK in names:
        planes[LUNG_MASK] = lung_alpha(field, side, margin, box)[..., np.newaxis]
        planes["lungs_only"] = _hidden_outside(planes["lung_field"], planes[LUNG_MASK])
    return np.concatenate([planes[name] for name in names], axis=-1)


def member_input(
    radiograph: Radiograph,
    field: LungField | None,
    spec: InputSpec,
    names: Sequence[str],
    margin: float = MARGIN,
) -> Floats:
    """Make what a bundle's engine takes, channel by channel, of the whole frame too.

    Args:
        radiograph: Upright grey levels.
        field: Where its lungs are; not needed for the whole frame.
        spec: The input that the bundle's manifest describes.
        names: The manifest's views.
        margin: As for ``lung_field``.

    Returns:
        Shape (height, width, channels), float32.
    """
    if field is None or tuple(names) == ("frame",):
        return prepare(radiograph, spec)
    of_lungs = [name for name in dict.fromkeys(names) if name != "frame"]
    planes = views(radiograph, field, spec.height, of_lungs, margin)
    found = {name: planes[..., place, np.newaxis] for place, name in enumerate(of_lungs)}
    if "frame" in names:
        found["frame"] = prepare(radiograph, spec)
    return np.concatenate([found[name] for name in names], axis=-1)


def lung_alpha(
    field: LungField,
    side: int,
    margin: float = MARGIN,
    box: Box | None = None,
    mask: Mask | None = None,
) -> Floats:
    """How far each pixel of a view belongs to the lungs: shape (side, side), 0 to 1.

    Args:
        field: Where the lungs are.
        side: As for ``lung_field``.
        margin: As for ``lung_field``.
        box: As for ``lung_field``.
        mask: Taken in place of the field's dilated mask, as training does that varies the rim.
    """
    cells = field.dilated if mask is None else mask
    return _mask_in_box(cells, enlarged(box or field.box, margin), (side, side))


def evidence_shares(heat: Floats, field: LungField, covers: Box) -> tuple[float, float] | None:
    """Say how much of a map's positive evidence lies in each lung.

    The evidence of a cell counts as spread evenly over it; the lungs are the dilated masks.

    Args:
        heat: Shape (h, w); above 0 it speaks for pneumonia.
        field: Where the lungs are.
        covers: What the map lies on, as shares of the frame.

    Returns:
        Shares of the patient's left and right lung; what is missing to 1 lies outside of them.
        None if nothing speaks for pneumonia, or next to nothing beside what speaks against it.
    """
    positive = np.maximum(heat, 0)
    total = float(positive.sum())
    if total <= NEGLIGIBLE * float(np.abs(heat).sum()):
        return None
    size = (heat.shape[1], heat.shape[0])
    right = dilate(field.right) & ~field.left
    left = dilate(field.left) & ~right
    shares = [float((positive * _mask_in_box(lung, covers, size)).sum()) for lung in (left, right)]
    return shares[0] / total, shares[1] / total


def enlarged(box: Box, margin: float) -> Box:
    """A box with a margin on each side, which may reach beyond the frame."""
    left, top, right, bottom = box
    across, down = margin * (right - left), margin * (bottom - top)
    return left - across, top - down, right + across, bottom + down


def _scaled(box: Box, width: float, height: float) -> Box:
    left, top, right, bottom = box
    return left * width, top * height, right * width, bottom * height


def _mask_in_box(mask: Mask, box: Box, size: tuple[int, int]) -> Floats:
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    cut = _scaled(box, picture.width, picture.height)
    return _resized(picture, cut, picture.size, size, repeat_edge=False)


def _resized(
    picture: Image.Image,
    cut: Box,
    inside: tuple[int, int],
    size: tuple[int, int],
    *,
    repeat_edge: bool,
) -> Floats:
    """A part of a picture, 0 to 1; beyond its inside, the edge again or nothing.

    Args:
        picture: Mode L.
        cut: The part, in pixels and fractions of them; it may reach beyond the picture.
        inside: Columns and rows of the picture that are filled.
        size: Width and height of the result.
        repeat_edge: Whether what lies beyond repeats the edge; it is 0 otherwise.
    """
    left, top, right, bottom = cut
    if not (left < min(right, inside[0]) and top < min(bottom, inside[1])):
        raise ValueError("The box is empty or lies outside the frame.")
    if not (right > 0 and bottom > 0):
        raise ValueError("The box is empty or lies outside the frame.")
    outer = (floor(left), floor(top), ceil(right), ceil(bottom))
    inner = (
        max(outer[0], 0),
        max(outer[1], 0),
        min(outer[2], inside[0]),
        min(outer[3], inside[1]),
    )
    if inner != outer:
        widths = (
            (inner[1] - outer[1], outer[3] - inner[3]),
            (inner[0] - outer[0], outer[2] - inner[2]),
        )
        part = np.asarray(picture.crop(inner))
        padded = np.pad(part, widths, mode="edge") if repeat_edge else np.pad(part, widths)
        picture = Image.fromarray(padded)
        left, top, right, bottom = (
            left - outer[0],
            top - outer[1],
            right - outer[0],
            bottom - outer[1],
        )
    small = picture.resize(
        size,
        Image.Resampling.BILINEAR,
        box=(left, top, right, bottom),
        reducing_gap=_REDUCING_GAP,
    )
    return np.asarray(small, dtype=np.float32) / np.float32(255)
