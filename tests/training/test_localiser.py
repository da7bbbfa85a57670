"""The layers that look into a box, and the boxes that they are given."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.localiser import from_answer, to_answer

pytestmark = pytest.mark.tensorflow

SIDE = 48
FRAMES = np.random.default_rng(0).random((2, SIDE, SIDE, 1)).astype(np.float32)


def look(frames: NDArray[np.float32], box: list[float], margin: float = 0.0) -> NDArray[np.float32]:
    """What is seen of each frame in a box: centre column, centre row, width, height, in shares."""
    import keras  # noqa: PLC0415

    from training.localiser import look_into  # noqa: PLC0415

    image, found = keras.Input((SIDE, SIDE, 1)), keras.Input((4,))
    model = keras.Model([image, found], look_into(image, found, SIDE, margin=margin))
    answer = to_answer(np.array([box] * len(frames), dtype=np.float32))
    return np.asarray(model([frames, answer]))


def test_the_whole_frame_as_the_box_changes_nothing() -> None:
    np.testing.assert_allclose(look(FRAMES, [0.5, 0.5, 1, 1]), FRAMES, atol=1e-5)


def test_a_box_is_shown_alone_and_fills_the_square() -> None:
    frame = np.zeros((1, SIDE, SIDE, 1), dtype=np.float32)
    frame[:, 6:42, 24:36] = 1  # rows 1/8 to 7/8, columns 1/2 to 3/4
    seen = look(frame, [5 / 8, 1 / 2, 1 / 4, 3 / 4])
    assert seen[0, 2:-2, 2:-2].min() == pytest.approx(1)
    beside = look(frame, [1 / 4, 1 / 2, 1 / 2, 3 / 4])
    assert beside[0, :, :-2].max() == pytest.approx(0, abs=1e-6)


def test_the_margin_shows_what_lies_around_the_box() -> None:
    wider = look(FRAMES, [0.5, 0.5, 0.5, 0.5], margin=0.5)
    np.testing.assert_allclose(wider, FRAMES, atol=1e-5)


def test_beyond_the_frame_its_rim_is_repeated() -> None:
    seen = look(FRAMES, [0.0, 0.5, 1, 1])
    rim = np.repeat(FRAMES[:, :, :1], SIDE // 2, axis=2)
    np.testing.assert_allclose(seen[:, :, : SIDE // 2], rim, atol=1e-5)


def test_what_the_network_answers_and_a_box_are_the_same_thing() -> None:
    boxes = np.array([[0.4, 0.6, 0.5, 0.9], [0.5, 0.5, 0.2, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(from_answer(to_answer(boxes)), boxes, atol=1e-6)
    assert to_answer(boxes).min() >= 0
    assert to_answer(boxes).max() <= 1
