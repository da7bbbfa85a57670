"""The tensor is what the manifest asks for, and by default what the original script computed."""

import numpy as np
import pytest
from PIL import Image

from service.imaging import InputSpec, Radiograph, prepare
from tests.phantom import phantom


def radiograph(width: int = 300, height: int = 200) -> Radiograph:
    return Radiograph(phantom(1, (width, height)), format="PNG", sha256="")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_tensor_has_the_shape_of_the_specification(channels: int) -> None:
    tensor = prepare(radiograph(), InputSpec(height=40, width=50, channels=channels))  # type: ignore[arg-type]
    assert tensor.shape == (40, 50, channels)
    assert tensor.dtype == np.float32
    assert np.array_equal(tensor[..., 0], tensor[..., -1])


def test_the_defaults_are_the_original_scripts() -> None:
    resized = phantom(1, (300, 200)).resize((256, 256))
    expected = np.asarray(resized, dtype=np.float32)[..., np.newaxis] / 255
    np.testing.assert_allclose(prepare(radiograph(), InputSpec()), expected, atol=1e-7)


def test_grey_levels_are_multiplied_by_the_scale() -> None:
    one, two = (prepare(radiograph(), InputSpec(scale=scale)) for scale in (1.0, 2.0))
    np.testing.assert_allclose(two, 2 * one)
    assert one.max() > 1


@pytest.mark.parametrize("resampling", ["bilinear", "bicubic", "lanczos", "box"])
def test_shrinking_averages_instead_of_aliasing(resampling: str) -> None:
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (64, 512))
    source = Radiograph(Image.fromarray(stripes), format="PNG", sha256="")
    tensor = prepare(source, InputSpec(height=8, width=8, resampling=resampling))  # type: ignore[arg-type]
    np.testing.assert_allclose(tensor, 0.5, atol=0.05)


def test_the_radiograph_is_left_as_it_was() -> None:
    source = radiograph(64, 64)
    before = source.pixels
    tensor = prepare(source, InputSpec(height=64, width=64))
    tensor[:] = 0
    assert np.array_equal(source.pixels, before)
