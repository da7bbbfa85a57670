"""The weights that a run keeps of its last epochs."""

from pathlib import Path

import numpy as np
import pytest

from service.imaging import InputSpec
from training.callbacks import LastEpochs
from training.config import Architecture, Schedule
from training.networks import build_trainable

pytestmark = pytest.mark.tensorflow


def test_the_last_epochs_end_in_the_mean_of_their_weights(tmp_path: Path) -> None:
    model = build_trainable(
        InputSpec(height=32, width=32), Architecture(stem_width=4, widths=(8,), depths=(1,))
    )
    kept = LastEpochs(tmp_path / "epochs", Schedule(epochs=4, average=2))
    kept.set_model(model)
    shapes = [weights.shape for weights in model.get_weights()]
    for epoch in range(4):
        model.set_weights([np.full(shape, float(epoch)) for shape in shapes])
        kept.on_epoch_end(epoch)
    kept.on_train_end()
    assert {float(value) for weights in model.get_weights() for value in weights.ravel()} == {2.5}
    assert list((tmp_path / "epochs").iterdir()) == []
