"""What a network sees in training is what the service shows it, within what is drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from service.imaging import Radiograph
from service.lungs import View, find_lungs, views
from tests.phantom import phantom
from tests.training.small import sources
from training.data import Record
from training.data.fields import cut_fields
from training.fit.lungs_augmentation import augment
from training.fit.sampler import to_planes
from training.fit.views import ViewSpec, augmented_view, lungs_only, plain_view

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn_lungs(pictures: np.ndarray) -> np.ndarray:
    """The same two ellipses in every film."""
    side = pictures.shape[1]
    y, x = np.mgrid[0:side, 0:side] / side
    near = np.minimum(((x - 0.3) / 0.14) ** 2, ((x - 0.7) / 0.14) ** 2)
    lungs = 1 / (1 + np.exp(40 * (near + ((y - 0.5) / 0.3) ** 2 - 1)))
    return np.broadcast_to(lungs, pictures.shape[:3]).astype(np.float32)


@pytest.mark.parametrize("view", ["lung_field", "lungs_only"])
def test_a_plain_view_of_the_cache_is_the_services_view(view: View, tmp_path: Path) -> None:
    path = tmp_path / "NORMAL" / "IM-0001-0001.png"
    path.parent.mkdir()
    phantom(3, (500, 420)).save(path)
    record = Record(path, "NORMAL/IM-0001-0001.png", 0, "normal", "IM", 1, "")
    fields = cut_fields([record], drawn_lungs, tmp_path / "fields", side=192)
    plain = plain_view(to_planes(fields.crops), to_planes(fields.masks), ViewSpec(view, 96))
    radiograph = Radiograph(Image.open(path), format="PNG", sha256="")
    field = find_lungs(drawn_lungs(np.zeros((1, 192, 192, 1)))[0], 500, 420)
    assert field is not None
    served = views(radiograph, field, 96, [view, "lung_mask"])
    # Resampled twice, and with another rim: alike, not equal.
    assert np.abs(plain[0].numpy().transpose(1, 2, 0) - served).mean((0, 1)).max() < 0.03


@pytest.mark.parametrize("view", ["lung_field", "lungs_only"])
def test_variants_differ_and_stay_grey_levels(view: View) -> None:
    train = sources()["train"]
    crops, masks = to_planes(train.crops[:8]), to_planes(train.masks[:8])
    spec = ViewSpec(view, 64)
    one, same, other = (
        augmented_view(crops, masks, spec, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == (8, 2, 64, 64)
    assert set(torch.unique(one[:, 1].round()).tolist()) == {0.0, 1.0}
    assert -0.3 < float(one[:, 0].min()) < float(one[:, 0].max()) < 1.6


def test_nothing_outside_the_lungs_is_left() -> None:
    train = sources()["train"]
    crops, masks = to_planes(train.crops[:4]), to_planes(train.masks[:4])
    hidden = lungs_only(crops, masks)
    for picture, mask, before in zip(hidden, masks, crops, strict=True):
        outside = picture[mask == 0]
        assert float(outside.max() - outside.min()) == 0
        assert torch.equal(picture[mask == 1], before[mask == 1])


def test_a_film_without_lungs_is_hidden_behind_its_own_median() -> None:
    picture = torch.rand(1, 1, 16, 16)
    hidden = lungs_only(picture, torch.zeros_like(picture))
    assert torch.equal(hidden, torch.full_like(picture, float(picture.median())))


def test_frames_and_masks_move_together() -> None:
    """Where the lungs are the only bright thing, they are so in the variant, or the film is one
    of those with an inverted tone, a border or a strip."""
    mask = np.zeros((16, 96, 96), np.uint8)
    mask[:, 30:66, 20:76] = 255
    frame = torch.from_numpy(np.where(mask > 0, 230, 20).astype(np.uint8))
    pictures, masks = augment(frame, torch.from_numpy(mask), torch.Generator().manual_seed(0), 64)
    inside = (pictures * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3)).clamp(min=1)
    outside = (pictures * (1 - masks)).sum((1, 2, 3)) / (1 - masks).sum((1, 2, 3)).clamp(min=1)
    assert int((inside > outside).sum()) >= 12
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1
