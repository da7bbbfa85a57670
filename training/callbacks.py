"""What happens between epochs: the held-out score, the weights that are kept, the resumed draw."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from service.files import atomic_write
from service.imaging import InputSpec
from training.config import Schedule
from training.data import Record
from training.dataset import Dataset
from training.frames import to_tensor
from training.networks import PNEUMONIA
from training.sampler import BalancedSampler
from training.suite import QUICK_SUITE, perturb

MONITOR: Final = "held_out_auc"
"""Name in the log of the mean AUC over clean and quick-suite images of the held-out fold."""

PREDICT_BATCH: Final = 128


class HeldOutScore(keras.callbacks.Callback):
    """After each epoch: mean AUC over clean and quick-suite images of the held-out fold.

    Attributes:
        probabilities: What the network said after the last epoch, by perturbation: shape (N,).
    """

    def __init__(self, dataset: Dataset, records: Sequence[Record], spec: InputSpec) -> None:
        super().__init__()
        self.probabilities: dict[str, NDArray[np.float32]] = {}
        self._labels = np.array([record.label for record in records])
        self._tensors = {
            name: tensors_of(dataset, records, spec, name) for name in ("clean", *QUICK_SUITE)
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score the held-out fold and put the figures into the log."""
        aucs = {}
        for name, tensors in self._tensors.items():
            outputs = self.model.predict(tensors, batch_size=PREDICT_BATCH, verbose=0)
            self.probabilities[name] = outputs[PNEUMONIA][:, 0]
            aucs[name] = auc(self._labels, self.probabilities[name])
        if logs is not None:
            logs.update({f"held_out_auc_{name}": value for name, value in aucs.items()})
            logs[MONITOR] = float(np.mean(list(aucs.values())))


class LastEpochs(keras.callbacks.Callback):
    """Keep the weights after each of the last epochs on disk, and end with their mean.

    The running statistics of the normalisation layers are averaged with the rest: the epochs lie
    close together by then.
    """

    def __init__(self, folder: Path, schedule: Schedule) -> None:
        super().__init__()
        folder.mkdir(exist_ok=True)
        last = range(schedule.epochs - schedule.average, schedule.epochs)
        self._files = {epoch: folder / f"{epoch}.npz" for epoch in last}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep this epoch's weights if it is one of the last."""
        if epoch in self._files:
            with atomic_write(self._files[epoch]) as path:
                np.savez(path, *self.model.get_weights())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the network the mean weights, and tidy up."""
        kept = [np.load(file) for file in self._files.values()]
        self.model.set_weights([np.mean([w[name] for w in kept], axis=0) for name in kept[0].files])
        for weights, file in zip(kept, self._files.values(), strict=True):
            weights.close()
            file.unlink()


class BeginEpoch(keras.callbacks.Callback):
    """Tell the sampler which epoch a resumed run begins with."""

    def __init__(self, sampler: BalancedSampler) -> None:
        super().__init__()
        self._sampler = sampler
        self._first = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the sampler once, before the first epoch of this process."""
        if self._first:
            self._sampler.begin(epoch)
            self._first = False


def tensors_of(
    dataset: Dataset, records: Sequence[Record], spec: InputSpec, perturbation: str
) -> NDArray[np.float32]:
    """Frames under one perturbation, prepared: shape (N, height, width, channels)."""
    frames = (dataset.store[dataset.views[record.name][0]] for record in records)
    return np.stack([to_tensor(perturb(frame, perturbation), spec) for frame in frames])


def auc(labels: Any, scores: Any) -> float:
    """Area under the ROC curve, to six decimals."""
    return round(float(roc_auc_score(labels, scores)), 6)
