"""Views show the lungs, the same ones however the picture frames them."""

import numpy as np
import pytest
from PIL import Image

from service.imaging import InputSpec, Radiograph, prepare
from service.lungs import (
    LungField,
    enlarged,
    evidence_shares,
    find_lungs,
    lung_field,
    lungs_only,
    member_input,
    views,
)
from tests.lungs.drawn import as_probabilities, two_lungs
from tests.phantom import phantom

SIDE = 96


def radiograph(picture: Image.Image) -> Radiograph:
    return Radiograph(picture, "PNG", "")


def field(width: int = 800, height: int = 640, **drawn: float) -> LungField:
    found = find_lungs(as_probabilities(two_lungs(**drawn)), width, height)
    assert found is not None
    return found


def ramp(width: int, height: int) -> Image.Image:
    across = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.tile(across, (height, 1)))


@pytest.mark.parametrize("box", [(0.25, 0.25, 0.75, 0.75), (0.2513, 0.2, 0.6487, 0.9001)])
def test_the_view_is_the_box_with_its_margin(box: tuple[float, float, float, float]) -> None:
    view = lung_field(radiograph(ramp(2048, 512)), field(), SIDE, margin=0.1, box=box)
    left, right = box[0] - 0.1 * (box[2] - box[0]), box[2] + 0.1 * (box[2] - box[0])
    centres = left + (right - left) * (np.arange(SIDE) + 0.5) / SIDE
    assert view.shape == (SIDE, SIDE, 1)
    assert view.dtype == np.float32
    np.testing.assert_allclose(view[SIDE // 2, :, 0], centres, atol=0.005)


def test_without_a_box_the_fields_own_is_taken() -> None:
    lungs, picture = field(), radiograph(phantom(2, (800, 640)))
    own = lung_field(picture, lungs, SIDE)
    assert np.array_equal(own, lung_field(picture, lungs, SIDE, box=lungs.box))
    assert not np.array_equal(own, lung_field(picture, lungs, SIDE, box=(0.2, 0.2, 0.7, 0.8)))


def test_beyond_the_frame_the_edge_is_repeated() -> None:
    picture = ramp(400, 400)
    view = lung_field(radiograph(picture), field(400, 400), SIDE, margin=0.25, box=(0, 0, 1, 1))
    outside = SIDE // 6
    assert (view[:, : outside - 1] == 0).all()
    assert (view[:, 1 - outside :] == 1).all()
    assert np.array_equal(view[0], view[-1])


def test_the_frame_around_the_lungs_changes_nothing() -> None:
    """A wider frame holds the same chest: the view must stay the same."""
    chest = phantom(3, (600, 500))
    wider = Image.new("L", (900, 800), 200)
    wider.paste(chest, (200, 180))
    box = (0.2, 0.2, 0.8, 0.8)
    moved = (
        (200 + 0.2 * 600) / 900,
        (180 + 0.2 * 500) / 800,
        (200 + 0.8 * 600) / 900,
        (180 + 0.8 * 500) / 800,
    )
    narrow = lung_field(radiograph(chest), field(), SIDE, box=box)
    wide = lung_field(radiograph(wider), field(), SIDE, box=moved)
    np.testing.assert_allclose(wide, narrow, atol=1.01 / 255)


def test_a_reduced_picture_gives_nearly_the_same_view() -> None:
    whole = phantom(4, (1603, 1201))
    reduced = Radiograph(whole.reduce(2), "JPEG", "", full_size=whole.size)
    lungs = field()
    apart = lung_field(radiograph(whole), lungs, SIDE) - lung_field(reduced, lungs, SIDE)
    assert np.abs(apart).max() < 0.03


def test_fine_stripes_are_averaged() -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (600, 600))
    view = lung_field(radiograph(Image.fromarray(stripes)), field(), 32)
    np.testing.assert_allclose(view, 0.5, atol=0.02)


@pytest.mark.parametrize(
    "box", [(0.5, 0.5, 0.5, 0.9), (1.5, 0.1, 1.9, 0.9), (-2.0, 0.1, -1.5, 0.9)]
)
def test_an_impossible_box_is_an_error(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="box"):
        lung_field(radiograph(ramp(100, 100)), field(), SIDE, box=box)


def test_lungs_only_hides_all_else() -> None:
    lungs = field(800, 640)
    mask = Image.fromarray(lungs.dilated.astype(np.uint8) * 255).resize((800, 640), 0)
    dark = Image.new("L", (800, 640), 230)
    dark.paste(60, mask=mask)
    view = lung_field(radiograph(dark), lungs, SIDE)
    hidden = lungs_only(view, lungs)
    assert view.max() > 0.85
    np.testing.assert_allclose(hidden, 60 / 255, atol=0.2)
    assert np.median(hidden) == pytest.approx(60 / 255, abs=1e-6)


def test_lungs_only_keeps_the_lungs() -> None:
    lungs, picture = field(), radiograph(phantom(5, (800, 640)))
    view = lung_field(picture, lungs, SIDE, margin=0)
    hidden = lungs_only(view, lungs, margin=0)
    row = SIDE // 2
    inside = slice(SIDE // 8, SIDE // 4)
    assert np.array_equal(hidden[row, inside], view[row, inside])
    assert len(np.unique(hidden[0, SIDE // 2 - 3 : SIDE // 2 + 3])) == 1


def test_what_lies_outside_the_lungs_cannot_reach_the_second_view() -> None:
    lungs, chest = field(), phantom(6, (800, 640))
    marked = chest.copy()
    marked.paste(255, (390, 0, 410, 640))
    one, other = (
        lungs_only(lung_field(radiograph(p), lungs, SIDE), lungs) for p in (chest, marked)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_mask_outside_the_box_is_no_error() -> None:
    lungs = field()
    picture = radiograph(phantom(7, (800, 640)))
    box = (0.0, 0.0, 0.1, 0.1)
    view = lung_field(picture, lungs, SIDE, box=box)
    hidden = lungs_only(view, lungs, box=box)
    assert len(np.unique(hidden)) == 1


def test_views_are_channels_in_the_order_of_their_names() -> None:
    lungs, picture = field(), radiograph(phantom(8, (800, 640)))
    both = views(picture, lungs, SIDE, ("lungs_only", "lung_field"), margin=0.1)
    view = lung_field(picture, lungs, SIDE, 0.1)
    assert both.shape == (SIDE, SIDE, 2)
    assert np.array_equal(both[..., 1:], view)
    assert np.array_equal(both[..., :1], lungs_only(view, lungs, 0.1))


def test_the_input_of_a_bundle_has_the_views_in_its_order() -> None:
    lungs, picture = field(), radiograph(phantom(9, (800, 640)))
    spec = InputSpec(SIDE, SIDE)
    made = member_input(picture, lungs, spec, ("lungs_only", "frame", "lung_field"), margin=0.1)
    assert made.shape == (SIDE, SIDE, 3)
    assert np.array_equal(made[..., 1:2], prepare(picture, spec))
    two = views(picture, lungs, SIDE, ("lungs_only", "lung_field"), margin=0.1)
    assert np.array_equal(made[..., [0, 2]], two)


@pytest.mark.parametrize("lungs", [None, field()])
def test_the_whole_frame_needs_no_lungs(lungs: LungField | None) -> None:
    picture, spec = radiograph(phantom(9, (800, 640))), InputSpec(24, 32, channels=3)
    assert np.array_equal(member_input(picture, lungs, spec, ("frame",)), prepare(picture, spec))


def test_evidence_is_shared_between_the_lungs() -> None:
    lungs = field(apart=0.2, rx=0.15, ry=0.3)
    heat = np.zeros((12, 12), np.float32)
    heat[6, 2], heat[6, 9], heat[5, 9], heat[0, 0] = 1, 2, 1, -5
    shares = evidence_shares(heat, lungs, lungs.box)
    assert shares is not None
    np.testing.assert_allclose(shares, (0.75, 0.25), atol=0.01)


def test_evidence_between_the_lungs_is_in_neither() -> None:
    heat = np.zeros((12, 12), np.float32)
    heat[0, 5:7] = 1
    shares = evidence_shares(heat, field(), enlarged(field().box, 0.2))
    assert shares is not None
    np.testing.assert_allclose(shares, (0, 0), atol=0.01)


def test_without_positive_evidence_there_are_no_shares() -> None:
    assert evidence_shares(-np.ones((12, 12), np.float32), field(), (0, 0, 1, 1)) is None


def test_a_rounding_of_what_speaks_against_it_is_no_evidence() -> None:
    heat = np.full((12, 12), -1, np.float32)
    heat[0, 0] = 1.4
    assert evidence_shares(heat, field(), (0, 0, 1, 1)) is None
    heat[0, 0] = 1.6
    assert evidence_shares(heat, field(), (0, 0, 1, 1)) == (0.0, 0.0)
