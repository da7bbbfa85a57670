"""Augmentation is reproducible, varied, and random in just the properties that leak the label."""

import numpy as np
from PIL import Image

from tests.phantom import phantom
from training.audit import laplacian_variance
from training.augment import augment
from training.config import Augmentation

FRAME = np.asarray(phantom(1, (300, 224)))


TONE_OFF = {"gamma": 0, "contrast": 0, "brightness": 0, "equalise": 0}
FIDELITY_OFF = {"blur": 0, "sharpen": 0, "noise": 0, "blank": 0, "jpeg": 0}


def variants(count: int, **strength: object) -> list[np.ndarray]:
    settings = Augmentation.model_validate(strength)
    return [
        augment(FRAME, np.random.default_rng(seed), settings, pneumonia=False)
        for seed in range(count)
    ]


def test_the_same_seed_gives_the_same_variant() -> None:
    first, again = (
        augment(FRAME, np.random.default_rng(3), Augmentation(), pneumonia=True) for _ in range(2)
    )
    assert np.array_equal(first, again)


def test_variants_are_square_frames_within_the_sides() -> None:
    for variant in variants(20, sides=(100, 140)):
        assert variant.dtype == np.uint8
        assert variant.shape[0] == variant.shape[1]
        assert 100 <= variant.shape[0] < 140


def test_sharpness_spreads_over_an_order_of_magnitude() -> None:
    sharpness = [laplacian_variance(variant) for variant in variants(60)]
    low, high = np.percentile(sharpness, [10, 90])
    assert high > 10 * low


def test_brightness_spreads() -> None:
    means = [float(variant.mean()) for variant in variants(60)]
    assert np.std(means) > 10


def test_everything_can_be_switched_off() -> None:
    off = {
        "sides": (224, 225),
        "stretch": 0,
        "zoom": 0,
        "rotation": 0,
        "shear": 0,
        "shift": 0,
        "flip": 0,
        **TONE_OFF,
        **FIDELITY_OFF,
    }
    first, *others = variants(6, **off)
    for other in others:
        assert np.abs(other.astype(int) - first).mean() < 3


def test_a_frame_that_is_not_turned_fills_its_square_to_the_rim() -> None:
    for variant in variants(20, affine=0, **TONE_OFF, **FIDELITY_OFF):
        upright = np.asarray(Image.fromarray(FRAME).resize(variant.shape, Image.Resampling.BICUBIC))
        mirrored = upright[:, ::-1]
        nearest = min(np.abs(variant.astype(int) - other).mean() for other in (upright, mirrored))
        assert nearest < 4


def test_a_reframed_frame_shows_less_or_more_than_the_frame() -> None:
    settings = {"affine": 0, "frame": 0.15, "flip": 0, "sides": (200, 201)}
    frames = variants(30, **settings, **TONE_OFF, **FIDELITY_OFF)
    upright = np.asarray(Image.fromarray(FRAME).resize((200, 200), Image.Resampling.BICUBIC))
    moved = [np.abs(frame.astype(int) - upright).mean() > 4 for frame in frames]
    assert 5 < sum(moved) < 25


def test_recentring_crops_the_width_of_pneumonia_and_the_height_of_normal() -> None:
    # Columns and rows tell their place by their grey level.
    size = (100, 100)
    columns = np.tile(np.arange(100, 200, dtype=np.uint8), (100, 1))
    still = {"stretch": 0, "zoom": 0, "rotation": 0, "shear": 0, "shift": 0, "flip": 0, "affine": 0}
    strength = Augmentation.model_validate(
        {"recentre": 0.4, "sides": (100, 101), **still, **TONE_OFF, **FIDELITY_OFF}
    )
    for pixels, pneumonia in ((columns, True), (columns.T, False)):
        cropped = augment(pixels, np.random.default_rng(0), strength, pneumonia=pneumonia)
        kept = augment(pixels, np.random.default_rng(0), strength, pneumonia=not pneumonia)
        assert cropped.shape == size
        assert np.ptp(cropped) < 90 < np.ptp(kept)
