"""A fitted network and its served twin answer alike."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.phantom import phantom
from tests.training.small import SMALL_LITE, SMALL_UNET
from training.models.lite0 import Lite0, lung_weights
from training.models.port import port_lungs, port_member
from training.models.shapes import LITE0, STANDARD_FLOORS, LiteShape
from training.models.unet import LungsNet
from training.models.units import local_contrast, standardise

# Keras reads a variable of TensorFlow's in a way that NumPy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def pictures(side: int) -> NDArray[np.float32]:
    """Phantoms of low and high contrast, an empty film and noise: (N, side, side, 1)."""
    drawn = [np.asarray(phantom(seed, (side, side), 0.3 * seed)) / 255 for seed in range(3)]
    noise = np.random.default_rng(0).uniform(size=(side, side))
    planes = [*drawn, drawn[0] * 0.1 + 0.8, np.full((side, side), 0.25), noise]
    return np.stack(planes).astype(np.float32)[..., np.newaxis]


def with_lungs(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pictures and, as a second channel, lungs of another size in each; none in the last."""
    side = images.shape[1]
    y, x = np.mgrid[0:side, 0:side] / side
    near = np.minimum(((x - 0.3) / 0.14) ** 2, ((x - 0.7) / 0.14) ** 2) + ((y - 0.5) / 0.3) ** 2
    masks = [near < size for size in np.linspace(1.5, 0, len(images))]
    return np.concatenate([images, np.stack(masks)[..., np.newaxis]], -1).astype(np.float32)


def fitted(network: torch.nn.Module) -> torch.nn.Module:
    """Give normalisations the statistics and factors that a fit would have left in them."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.05, 0.2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
    for name in ("out", "head", "mid_head"):
        if hasattr(network, name):  # answers that differ from picture to picture
            weight = getattr(network, name).weight
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    return network.eval()


def planes(images: NDArray[np.float32], floor: float) -> torch.Tensor:
    return standardise(torch.from_numpy(images).permute(0, 3, 1, 2), floor)


@pytest.mark.parametrize("side", [32, 48])
def test_the_network_that_finds_lungs_is_served_as_it_was_fitted(side: int) -> None:
    torch.manual_seed(0)
    network = fitted(LungsNet(SMALL_UNET))
    images = pictures(side)
    with torch.no_grad():
        ours = torch.sigmoid(network(planes(images, STANDARD_FLOORS["lungs"])))
    answers = port_lungs(network, side)(images)
    served = np.asarray(answers[0])
    assert served.shape == (len(images), side, side, 1)
    assert served.std() > 0.01
    np.testing.assert_allclose(served[..., 0], ours[:, 0].numpy(), atol=1e-4)


def test_it_describes_each_picture_by_its_deepest_channels() -> None:
    torch.manual_seed(0)
    network = fitted(LungsNet(SMALL_UNET))
    images = pictures(128)
    deepest: list[torch.Tensor] = []
    network.encode[-1].register_forward_hook(lambda *hooked: deepest.append(hooked[2]))
    with torch.no_grad():
        network(planes(images, STANDARD_FLOORS["lungs"]))
    [cells] = deepest
    start = (cells.shape[-1] - 2) // 2
    middle = cells[:, :, start : start + 2, start : start + 2]
    expected = torch.cat([cells.mean((2, 3)), middle.mean((2, 3))], 1).numpy()
    found = np.asarray(port_lungs(network, 128)(images)[1])
    assert found.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [SMALL_LITE, LITE0], ids=["small", "full"])
def test_a_member_is_served_as_it_was_fitted(shape: LiteShape) -> None:
    torch.manual_seed(1)
    network = fitted(Lite0(shape))
    images = with_lungs(pictures(64))
    with torch.no_grad():
        logits, _ = network(planes(images, STANDARD_FLOORS["member"]))
    served = np.asarray(port_member([network], 64, exact=True)(images))
    assert served.shape == (len(images), 1)
    assert served.std() > 0.001
    np.testing.assert_allclose(served[:, 0], torch.sigmoid(logits).numpy(), atol=1e-4)


def test_a_member_of_several_fits_answers_with_their_mean_logit() -> None:
    torch.manual_seed(4)
    fits = [fitted(Lite0(SMALL_LITE)) for _ in range(3)]
    images = with_lungs(pictures(64))
    with torch.no_grad():
        logits = [fit(planes(images, STANDARD_FLOORS["member"]))[0] for fit in fits]
    served = np.asarray(port_member(fits, 64, exact=True)(images))
    assert torch.stack(logits).std(0).max() > 0.1
    np.testing.assert_allclose(
        served[:, 0], torch.sigmoid(torch.stack(logits).mean(0)).numpy(), atol=1e-4
    )


def test_a_served_member_keeps_16_bits_of_its_convolutions(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415

    torch.manual_seed(2)
    network = fitted(Lite0(SMALL_LITE))
    port_member([network], 64).save(tmp_path / "member.keras")
    member = keras.saving.load_model(tmp_path / "member.keras", compile=False)
    kernels = [w for layer in member.layers for w in layer.get_weights() if w.ndim == 4]
    assert kernels
    for kernel in kernels:
        np.testing.assert_array_equal(kernel, kernel.astype(np.float16).astype(np.float32))
    images = with_lungs(pictures(64))
    exact = np.asarray(port_member([network], 64, exact=True)(images))
    np.testing.assert_allclose(np.asarray(member(images)), exact, atol=0.02)


def test_what_lies_outside_the_lungs_has_no_vote() -> None:
    torch.manual_seed(3)
    network = fitted(Lite0(SMALL_LITE))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :, 8:24] = 1
    weights = lung_weights(mask)
    assert float(weights[..., 1:3].mean()) == pytest.approx(4, rel=1e-3)
    assert float(weights[..., 3:].max()) < 1e-3
    evidence: list[torch.Tensor] = []
    network.mid_head.register_forward_hook(lambda *hooked: evidence.append(hooked[2]))
    view = torch.cat([torch.randn(1, 1, 64, 64), mask], 1)
    with torch.no_grad():
        before, _ = network(view)
        # Evidence changes outside of the lungs, and not inside.
        network.mid_head.register_forward_hook(
            lambda *hooked: torch.cat([hooked[2][..., :3], hooked[2][..., 3:] + 50], -1)
        )
        after, _ = network(view)
    torch.testing.assert_close(before, after, atol=0.05, rtol=0)


def test_exposure_and_window_hardly_reach_a_network() -> None:
    picture = torch.from_numpy(pictures(64)[:1]).permute(0, 3, 1, 2)
    one, other = (standardise(each, 0.01) for each in (picture, 0.8 * picture + 0.1))
    assert one.shape == picture.shape
    assert float((picture - (0.8 * picture + 0.1)).abs().max()) > 0.05
    torch.testing.assert_close(one, other, atol=0.05, rtol=0)


def test_soft_and_hard_processing_look_more_alike_after_local_contrast() -> None:
    soft = standardise(torch.from_numpy(pictures(192)[1:2]).permute(0, 3, 1, 2), 0.01)
    mean = torch.nn.functional.avg_pool2d(soft, 25, 1, 12, count_include_pad=False)
    hard = standardise(mean + 3 * (soft - mean), 0.01)
    assert local_contrast(soft).shape == soft.shape

    def difference(one: torch.Tensor, other: torch.Tensor) -> float:
        return float((one - other).std() / one.std())

    before = difference(soft, hard)
    assert before > 0.2
    assert difference(local_contrast(soft), local_contrast(hard)) < 0.8 * before
