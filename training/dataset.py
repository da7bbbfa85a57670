"""What a training run draws on: records, folds, and the frames of every copy of each image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.data import DataError, Record, Scan, assign_folds, scan
from training.frames import FrameStore
from training.framing import read_framing


@dataclass(frozen=True)
class Dataset:
    """The training images.

    Attributes:
        scan: The folder that defines records, labels and digest.
        folds: Fold by patient key.
        store: Frames of all copies.
        views: By image name, the positions of its copies in the store; the first is the copy of
            the defining folder, which evaluation uses.
        framing: By image name, see ``training.framing``; of the images that have a lung mask.
    """

    scan: Scan
    folds: dict[str, int]
    store: FrameStore
    views: dict[str, list[int]]
    framing: Mapping[str, float] = field(default_factory=dict)


def load_dataset(
    folder: Path, cache: Path, further: Sequence[Path] = (), masks: Path | None = None
) -> Dataset:
    """Read the data set's training folder, and further folders with other copies of its images.

    Args:
        folder: Holds ``train/NORMAL`` and ``train/PNEUMONIA``, as the public download does.
        cache: Where decoded frames are kept between runs.
        further: Folders of the same form whose images are the same pictures at another size.
            Copies of images that the first folder lacks are left out.
        masks: Folder of lung masks, see ``training.framing``.

    Raises:
        DataError: A folder that is missing, empty or damaged.
    """
    main = scan(training_folder(folder))
    names = {record.name for record in main.records}
    copies: list[Record] = list(main.records)
    for other in further:
        copies += [r for r in scan(training_folder(other)).records if r.name in names]
    views: dict[str, list[int]] = {}
    for position, record in enumerate(copies):
        views.setdefault(record.name, []).append(position)
    return Dataset(
        main,
        assign_folds(main.records),
        FrameStore.build(copies, cache),
        views,
        read_framing(masks, sorted(names)) if masks else {},
    )


def training_folder(folder: Path) -> Path:
    """The folder with the two class folders: ``folder`` itself, or its ``train/``."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Give the unpacked chest_xray folder.")
    return folder if (folder / "NORMAL").is_dir() else folder / "train"
