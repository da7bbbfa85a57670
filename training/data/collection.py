"""The folder of data sets: what lies where, and what each may be used for.

======================  ============================================================
``chest_xray``          the training set (``train/NORMAL``, ``train/PNEUMONIA``)
``chest_xray_large``    some of the same images, larger and at true aspect ratio
``lung_masks``          a PNG for an image, of the same name
``adults_nih``          adults of another hospital; half of the patients may train
``adults_montgomery``   adults of a third, for choosing between recipes only
``children_11_to_17``   older children without findings, for choosing only
======================  ============================================================

Only the first must be there. A source that is missing is left out of what uses it.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from training.data.records import DataError, Scan, class_folders, scan

SourceName = Literal["train", "large", "adults_nih", "adults_montgomery", "children_11_to_17"]

SOURCES: Final[dict[SourceName, str]] = {
    "train": "chest_xray/train",
    "large": "chest_xray_large/train",
    "adults_nih": "adults_nih",
    "adults_montgomery": "adults_montgomery",
    "children_11_to_17": "children_11_to_17",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """The data sets under one folder."""

    root: Path

    def folder(self, source: SourceName) -> Path:
        """Where a source lies, or would."""
        return self.root / SOURCES[source]

    def scan(self, source: SourceName) -> Scan | None:
        """Read a source; None where there is none.

        Raises:
            DataError: The training set is missing or damaged, or another source is damaged.
        """
        folder = self.folder(source)
        if source == "train":
            return scan(folder)
        classes = class_folders(folder)
        return scan(folder, classes) if classes else None

    @property
    def masks(self) -> Path:
        """Folder of lung masks of the training images."""
        return self.root / "lung_masks"

    @property
    def montgomery_masks(self) -> Path:
        """Folder of lung masks of ``adults_montgomery``, drawn without the heart."""
        return self.folder("adults_montgomery") / "lung_masks"

    def original_sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height of the original of each training image, by its name without suffix.

        Empty where ``original_sizes.csv`` is missing.
        """
        path = self.root / "original_sizes.csv"
        return {
            Path(row["file"]).stem: (int(row["width"]), int(row["height"]))
            for row in _rows(path)
            if row["width"] and row["height"]
        }

    def projections(self) -> dict[str, str]:
        """``AP`` or ``PA`` of each film of ``adults_nih``, by ``CLASS/file``."""
        return {
            row["file"]: row["view"] for row in _rows(self.folder("adults_nih") / "patients.csv")
        }


def patient_may_train(number: int) -> bool:
    """Whether a patient of ``adults_nih`` may train: those with an even number may.

    The others are held out, for judging a recipe on a hospital that it has seen.
    """
    return number % 2 == 0


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"The table {path} cannot be read.") from error
