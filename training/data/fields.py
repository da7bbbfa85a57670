"""Lung fields cut out once, with room around them, for networks to be fitted on.

The service's own functions find the lungs and cut out the field. The cache keeps more than a
network sees, ``ROOM`` on each side, so that training can jitter, turn and stretch the view without
reading the film again.
"""

import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from service.imaging import Radiograph
from service.inference.atomic_write import atomic_write
from service.lungs import find_lungs, lung_field, segmentation_input
from service.lungs.views import lung_alpha
from training.data.records import DataError, Record, read_radiograph

ROOM: Final = 0.30
"""Kept on each side of the lungs' box, as a share of its width or height."""

CROP_SIDE: Final = 288
BOX_SHARE: Final = 1 / (1 + 2 * ROOM)
"""Share of a crop's side that the lungs' box takes."""

_BATCH: Final = 64
_TABLE: Final = "films.csv"
_NUMBERS: Final = {"label": int, "number": int, "fold": int, "quality": float}

Pixels = NDArray[np.uint8]
Segment = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Pictures of shape (N, side, side, 1), 0 to 1, to probabilities of lung, (N, side, side)."""


@dataclass(frozen=True, slots=True)
class Film:
    """One film of a cache.

    Attributes:
        name: ``CLASS/file``.
        label: 1 for pneumonia, an opacity or tuberculosis.
        aetiology: See ``Record``.
        stream: See ``Record``.
        number: Of the patient in the stream.
        fold: Of the patient in the training set; -1 in other sources.
        projection: ``AP`` or ``PA`` where it is known, or empty.
        quality: How sure the segmentation was, see ``LungField``.
    """

    name: str
    label: int
    aetiology: str
    stream: str
    number: int
    fold: int = -1
    projection: str = ""
    quality: float = 0.0

    @property
    def patient(self) -> str:
        """Key of the patient, unique over the source."""
        return f"{self.stream}:{self.number}"


@dataclass(frozen=True, eq=False)
class Fields:
    """The lung fields of one source.

    Attributes:
        films: N films in which both lungs were found.
        crops: Shape (N, 288, 288), uint8: the field with ``ROOM`` around it.
        masks: The lungs in it, without a rim: the same shape, 255 is lung.
        without_lungs: Names of the films in which none were found; the service would refuse them.
    """

    films: Sequence[Film]
    crops: Pixels
    masks: Pixels
    without_lungs: Sequence[str]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what ``cut_fields`` wrote; pixels stay on disk until they are used.

        Raises:
            DataError: It is not there, or not whole.
        """
        try:
            with (folder / _TABLE).open(newline="", encoding="utf-8") as file:
                films = [_film(row) for row in csv.DictReader(file)]
            crops, masks = (np.load(_array(folder, name), mmap_mode="r") for name in _ARRAYS)
            missing = json.loads((folder / "without_lungs.json").read_text())
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{folder} holds no lung fields. Run `python -m training fields`."
            ) from error
        return cls(films, crops, masks, missing)

    def report(self) -> str:
        """How many films there are, and in which no lungs were found, in a sentence or two."""
        text = f"{len(self.films)} lung fields."
        if self.without_lungs:
            more = ", ..." if len(self.without_lungs) > 5 else ""
            listed = ", ".join(self.without_lungs[:5])
            text += f" No lungs found in {len(self.without_lungs)} films: {listed}{more}."
        return text


_ARRAYS: Final = ("crops", "masks")


def cut_fields(
    records: Sequence[Record],
    segment: Segment,
    folder: Path,
    *,
    side: int,
    folds: dict[str, int] | None = None,
    projections: dict[str, str] | None = None,
) -> Fields:
    """Find the lungs of films, cut out their fields, and keep them in a folder.

    Args:
        records: The films.
        segment: The fitted segmentation network.
        folder: Of the cache; what it held is replaced.
        side: Of the square that the network takes.
        folds: Fold by patient key.
        projections: By name of the film.
    """
    (folder / _TABLE).unlink(missing_ok=True)  # a cache without its table is not whole
    folder.mkdir(parents=True, exist_ok=True)
    films: list[Film] = []
    missing: list[str] = []
    shape = (len(records), CROP_SIDE, CROP_SIDE)
    planes = [
        np.lib.format.open_memmap(_array(folder, name), mode="w+", dtype=np.uint8, shape=shape)
        for name in _ARRAYS
    ]
    for record, radiograph, probabilities in _segmented(records, segment, side):
        cut = _cut(radiograph, probabilities)
        if cut is None:
            missing.append(record.name)
            continue
        for plane, pixels in zip(planes, cut[:2], strict=True):
            plane[len(films)] = pixels
        films.append(
            Film(
                record.name,
                record.label,
                record.aetiology,
                record.stream,
                record.number,
                (folds or {}).get(record.patient, -1),
                (projections or {}).get(record.name, ""),
                round(cut[2], 4),
            )
        )
    for plane in planes:
        plane.flush()
    (folder / "without_lungs.json").write_text(json.dumps(missing))
    with atomic_write(folder / _TABLE) as path:
        _write_table(films, path)
    return Fields.open(folder)


def _segmented(
    records: Sequence[Record], segment: Segment, side: int
) -> Iterable[tuple[Record, Radiograph, NDArray[np.float32]]]:
    starts = range(0, len(records), _BATCH)
    for start in track(starts, description="Cutting lung fields"):
        batch = records[start : start + _BATCH]
        radiographs = [read_radiograph(record.path) for record in batch]
        probabilities = segment(np.stack([segmentation_input(each, side) for each in radiographs]))
        yield from zip(batch, radiographs, probabilities, strict=True)


def _cut(
    radiograph: Radiograph, probabilities: NDArray[np.float32]
) -> tuple[Pixels, Pixels, float] | None:
    field = find_lungs(probabilities, radiograph.width, radiograph.height)
    if field is None:
        return None
    crop = lung_field(radiograph, field, CROP_SIDE, ROOM)[..., 0]
    mask = lung_alpha(field, CROP_SIDE, ROOM, mask=field.mask)
    return _bytes(crop), _bytes(mask), field.quality


def _bytes(plane: NDArray[np.float32]) -> Pixels:
    return np.rint(plane * 255).astype(np.uint8)


def _array(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _write_table(films: Sequence[Film], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Film)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(film) for film in films)


def _film(row: dict[str, Any]) -> Film:
    return Film(**{name: _NUMBERS.get(name, str)(value) for name, value in row.items()})
