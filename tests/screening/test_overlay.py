import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageFilter

from service.imaging import Radiograph
from service.screening.explanation import Explanation
from service.screening.overlay import (
    FULL_SCALE,
    LONGEST_SIDE,
    colour_ramp,
    frame,
    heat_layer,
    map_layer,
    overlay,
)
from tests.explaining import explanation, screening
from tests.serving import radiograph

NOTHING = np.zeros((2, 2), dtype=np.float32)
STRONG = FULL_SCALE / 4  # what one of four cells adds when all colours are used


def alpha(heat: object, size: tuple[int, int] = (40, 40), opacity: float = 1.0) -> np.ndarray:
    layer = heat_layer(np.asarray(heat, dtype=np.float32), size, opacity=opacity)
    assert (layer.mode, layer.size) == ("RGBA", size)
    return np.asarray(layer)[..., 3]


class TestFrame:
    def test_a_large_radiograph_is_shrunk_to_the_longest_side(self) -> None:
        pixels = np.zeros((1500, 3000), dtype=np.uint8)
        picture = frame(Radiograph(Image.fromarray(pixels), "PNG", ""))
        assert picture.size == (LONGEST_SIDE, LONGEST_SIDE // 2)

    def test_a_small_one_keeps_its_pixels(self) -> None:
        pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
        np.testing.assert_array_equal(frame(Radiograph(Image.fromarray(pixels), "PNG", "")), pixels)

    def test_a_very_narrow_one_keeps_a_pixel_of_width(self) -> None:
        pixels = np.zeros((100_000, 32), dtype=np.uint8)
        assert frame(Radiograph(Image.fromarray(pixels), "PNG", "")).size == (1, LONGEST_SIDE)


class TestHeatLayer:
    def test_what_speaks_for_pneumonia_is_coloured_where_it_is(self) -> None:
        seen = alpha([[0, 0], [STRONG, 0]])
        assert seen[:10, -10:].max() == 0
        assert seen[-10:, :10].min() == 255

    @pytest.mark.parametrize("value", [0.0, -STRONG])
    def test_nothing_and_what_speaks_against_it_stay_transparent(self, value: float) -> None:
        assert alpha(np.full((3, 3), value)).max() == 0

    def test_opacity_is_that_of_the_strongest_evidence(self) -> None:
        heat = [[STRONG, 0], [0, 0]]
        assert alpha(heat, opacity=0.4).max() == round(255 * 0.4)
        assert alpha(heat, opacity=0.0).max() == 0

    def test_it_is_smooth_although_the_cells_are_coarse(self) -> None:
        row = alpha([[0, STRONG]] * 2, size=(200, 50))[25].astype(int)
        assert np.abs(np.diff(row)).max() < 40

    def test_the_same_evidence_has_the_same_colour_on_any_grid(self) -> None:
        coarse = np.full((2, 2), STRONG / 2, dtype=np.float32)
        fine = np.full((8, 8), STRONG / 2 * 4 / 64, dtype=np.float32)
        np.testing.assert_array_equal(heat_layer(coarse, (9, 9)), heat_layer(fine, (9, 9)))

    def test_colours_end_at_full_scale(self) -> None:
        once, thrice = (np.full((2, 2), STRONG * n, dtype=np.float32) for n in (1, 3))
        np.testing.assert_array_equal(heat_layer(once, (9, 9)), heat_layer(thrice, (9, 9)))


class TestOverlay:
    def test_without_evidence_the_radiograph_is_what_is_seen(self) -> None:
        made = explanation(NOTHING.tolist())
        seen = overlay(made)
        assert seen.mode == "RGB"
        for channel in seen.split():
            np.testing.assert_array_equal(channel, made.radiograph.pixels)

    def test_colour_lies_over_the_evidence_only(self) -> None:
        made = explanation([[0, 0, 0], [0, 0, 0], [FULL_SCALE / 9, 0, 0]])
        seen = np.asarray(overlay(made), dtype=int)
        colourful = np.ptp(seen, axis=2)
        assert colourful[-30:, :30].min() > 20
        assert colourful[:60].max() == 0

    def test_the_radiograph_shows_through(self) -> None:
        made = explanation(np.full((2, 2), STRONG).tolist())
        seen = np.asarray(overlay(made, opacity=0.5), dtype=float)
        pixels = made.radiograph.pixels.astype(float)
        assert np.corrcoef(seen[..., 0].ravel(), pixels.ravel())[0, 1] > 0.99


def test_the_colours_grow_lighter_evenly() -> None:
    lightness = np.asarray(Image.fromarray(colour_ramp()[None]).convert("L"), dtype=int)[0]
    assert np.diff(lightness).min() >= -1
    assert lightness[-1] - lightness[0] > 180


class TestLungs:
    @pytest.fixture
    def explained(self) -> Explanation:
        made = screening(lungs=True).explain(radiograph(1))
        maps = np.full((2, 4, 4), FULL_SCALE / 16, dtype=np.float32)
        return dataclasses.replace(made, maps=maps)

    def test_only_the_lungs_are_coloured(self, explained: Explanation) -> None:
        layer = np.asarray(map_layer(explained, (320, 256))).astype(int)
        coloured = (layer[..., 3] > 0) & (np.ptp(layer[..., :3], axis=-1) > 24)
        assert explained.lungs is not None
        lungs = Image.fromarray(explained.lungs.field.dilated).resize((320, 256))
        near = np.asarray(lungs.convert("L").filter(ImageFilter.MaxFilter(11))) > 0
        assert not (coloured & ~near).any()
        inside = Image.fromarray(explained.lungs.field.mask).resize((320, 256)).convert("L")
        core = np.asarray(inside.filter(ImageFilter.MinFilter(9))) > 0
        assert coloured[core].all()

    def test_a_map_lies_where_its_cells_do(self, explained: Explanation) -> None:
        maps = np.zeros((2, 4, 4), dtype=np.float32)
        maps[:, :, 0] = FULL_SCALE / 16
        layer = np.asarray(map_layer(dataclasses.replace(explained, maps=maps), (320, 256)))
        hue = np.ptp(layer[..., :3].astype(int), axis=-1) * (layer[..., 3] > 0)
        assert hue[:, :120].any()
        assert not hue[:, 160:].any()

    def test_outlines_can_be_left_out(self, explained: Explanation) -> None:
        calm = dataclasses.replace(explained, maps=np.zeros_like(explained.maps))
        assert not map_layer(calm, (320, 256), outlines=False).getchannel("A").getbbox()
        plain = overlay(calm, outlines=False)
        assert plain.tobytes() == frame(calm.radiograph).convert("RGB").tobytes()

    def test_outlines_are_white_and_stay_without_evidence(self, explained: Explanation) -> None:
        nothing = dataclasses.replace(explained, maps=-explained.maps)
        layer = np.asarray(map_layer(nothing, (320, 256)))
        drawn = layer[layer[..., 3] > 0]
        assert len(drawn) > 400
        assert (np.ptp(drawn[:, :3].astype(int), axis=-1) == 0).all()

    def test_between_the_lungs_the_radiograph_stays_as_it_is(self, explained: Explanation) -> None:
        plain = np.asarray(frame(explained.radiograph))
        over = np.asarray(overlay(explained))
        assert np.array_equal(over[:, :30, 0], plain[:, :30])
        assert np.array_equal(over[100:150, 158:162, 1], plain[100:150, 158:162])
        assert not np.array_equal(over[..., 0], plain)
