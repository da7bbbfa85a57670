"""A picture is refused, warned of or accepted by what the network makes of it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from service.imaging import Radiograph
from service.lungs import (
    AS_RECEIVED,
    Limits,
    Look,
    LungField,
    Pose,
    WarningCode,
    best_look,
    find_lungs,
    is_clear,
    suitability_of,
)
from tests.lungs.drawn import as_probabilities, ellipse, two_lungs
from tests.phantom import grained, phantom

LIMITS = Limits(warn_distance=20, refuse_distance=30, warn_quality=0.8, refuse_quality=0.5)
FILM = Radiograph(grained(phantom(1, size=(640, 512))), "PNG", "")


def lungs(
    mask: NDArray[np.bool_] | None = None, *, sure: float = 0.95, size: tuple[int, int] = (640, 512)
) -> LungField:
    field = find_lungs(as_probabilities(two_lungs() if mask is None else mask, sure), *size)
    assert field is not None
    return field


def look(
    distance: float | None = 10.0, *, field: LungField | None = None, pose: Pose = AS_RECEIVED
) -> Look:
    return Look(pose, field or lungs(), distance)


def warned(
    seen: Look, radiograph: Radiograph = FILM, limits: Limits | None = LIMITS
) -> tuple[WarningCode, ...]:
    found = suitability_of(seen, radiograph, limits)
    assert found.refusal is None
    return found.warnings


class TestRefusal:
    def test_a_film_like_those_of_the_training_is_accepted(self) -> None:
        assert warned(look()) == ()

    def test_without_lungs_there_is_nothing_to_judge(self) -> None:
        for limits in (LIMITS, None):
            assert suitability_of(Look(AS_RECEIVED, None, 1.0), FILM, limits).refusal == "no_lungs"

    @pytest.mark.parametrize(
        ("distance", "sure", "refusal"),
        [
            (30.1, 0.95, "unlike_training_films"),
            (10.0, 0.70, "uncertain_lungs"),
            (21.0, 0.85, "unlike_training_films"),  # two doubts at once
            (None, 0.70, "uncertain_lungs"),
            (29.9, 0.95, None),
            (10.0, 0.85, None),
        ],
    )
    def test_limits_are_kept(
        self, distance: float | None, sure: float, refusal: str | None
    ) -> None:
        seen = look(distance, field=lungs(sure=sure))
        assert suitability_of(seen, FILM, LIMITS).refusal == refusal

    def test_where_other_pictures_are_known_they_are_refused(self) -> None:
        knowing = replace(LIMITS, warn_otherness=-2.0, refuse_otherness=-0.5)

        def refusal(seen: Look) -> str | None:
            return suitability_of(seen, FILM, knowing).refusal

        assert refusal(replace(look(), otherness=-0.4)) == "unlike_training_films"
        assert warned(replace(look(), otherness=-0.6), limits=knowing) == (
            "far_from_training_data",
        )
        assert warned(replace(look(), otherness=-2.1), limits=knowing) == ()
        # Two doubts are no refusal then: there is a better means to tell.
        both = replace(look(21.0, field=lungs(sure=0.85)), otherness=-3.0)
        assert refusal(both) is None
        assert not is_clear(replace(look(), otherness=-0.6), knowing)
        assert is_clear(replace(look(), otherness=-2.1), knowing)

    def test_a_bundle_without_limits_refuses_only_what_has_no_lungs(self) -> None:
        assert warned(look(1000.0, field=lungs(sure=0.6)), limits=None) == ()


class TestWarnings:
    def test_doubts(self) -> None:
        assert warned(look(20.1)) == ("far_from_training_data",)
        assert warned(look(field=lungs(sure=0.85))) == ("uncertain_lungs",)

    @pytest.mark.parametrize(
        ("pose", "codes"),
        [
            (Pose(0, inverted=True), ("negative",)),
            (Pose(2), ("upside_down",)),
            (Pose(1), ("rotated",)),
            (Pose(3, inverted=True), ("negative", "rotated")),
        ],
    )
    def test_a_pose_that_was_put_right_is_named(
        self, pose: Pose, codes: tuple[WarningCode, ...]
    ) -> None:
        assert warned(look(pose=pose)) == codes

    def test_lungs_at_the_edge(self) -> None:
        cut = ellipse(0.12, 0.5, 0.15, 0.3) | ellipse(0.6, 0.5, 0.15, 0.3)
        assert warned(look(field=lungs(cut))) == ("lungs_cut_off",)

    def test_few_pixels(self) -> None:
        assert warned(look(field=lungs(size=(150, 120)))) == ("low_resolution",)

    @pytest.mark.parametrize("share", [56, 80, 88, 100])
    def test_blur(self, share: int) -> None:
        blurred = FILM.picture.filter(ImageFilter.GaussianBlur(FILM.width / share))
        assert warned(look(), replace(FILM, picture=blurred)) == ("low_resolution",)

    def test_flat_grey(self) -> None:
        flat = FILM.picture.point([110 + level // 16 for level in range(256)])
        assert warned(look(), replace(FILM, picture=flat)) == ("low_contrast",)

    def test_colour(self) -> None:
        assert warned(look(), replace(FILM, chroma=5.0)) == ("photo_of_screen",)

    def test_several_at_once(self) -> None:
        tinted = replace(FILM, chroma=9.0, picture=Image.new("L", FILM.picture.size, 90))
        assert set(warned(look(22.0, pose=Pose(2)), tinted)) == {
            "upside_down",
            "far_from_training_data",
            "photo_of_screen",
            "low_contrast",
        }


class TestPose:
    def test_what_is_clear_needs_no_other_look(self) -> None:
        assert is_clear(look(), LIMITS)
        assert not is_clear(look(20.1), LIMITS)
        assert not is_clear(look(field=lungs(sure=0.85)), LIMITS)
        assert not is_clear(Look(AS_RECEIVED, None, 10.0), LIMITS)

    def test_what_cannot_be_compared_needs_none_either(self) -> None:
        assert is_clear(Look(AS_RECEIVED, None, None), LIMITS)
        assert is_clear(look(1000.0), None)

    def test_the_nearest_of_the_acceptable_poses_is_taken(self) -> None:
        received = Look(AS_RECEIVED, None, 90.0)
        others = [look(70.0, pose=Pose(1)), look(12.0, pose=Pose(2)), look(25.0, pose=Pose(3))]
        assert best_look(received, others, LIMITS) is others[1]

    @pytest.mark.parametrize("other", [31.0, 18.0])
    def test_a_pose_that_is_refused_or_hardly_nearer_is_not(self, other: float) -> None:
        received = look(25.0)
        assert best_look(received, [look(other, pose=Pose(2))], LIMITS) is received
