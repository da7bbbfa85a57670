"""Labelled folders of radiographs: which films there are, of whom, and what they are labelled."""

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.data import DataError, parse_name

CLASSES: Final[Mapping[str, int]] = {
    "NORMAL": 0,
    "NO_FINDING": 0,
    "PNEUMONIA": 1,
    "OPACITY": 1,
    "TB": 1,
}
"""Label by the name of the folder: 1 is what the networks should call PNEUMONIA."""

PATIENTS_FILE: Final = "patients.csv"
"""Optional, beside the class folders: columns ``file``, ``patient`` and, if known, ``view``."""

HARD_BLOCKS: Final = ((635, 741), (1302, 1423))
"""Numbers of the stream NORMAL2-IM, both ends inclusive, whose films differ from the other normals
of the training split and resemble those of the official test split."""

_SUFFIXES: Final = frozenset({".bmp", ".dcm", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_STREAMS: Final = frozenset({"IM", "NORMAL2-IM", "person-bacteria", "person-virus"})
"""Of the training set, whose names tell the aetiology."""

_NIH_NAME: Final = re.compile(r"(?:age\d+_)?(?P<patient>\d{8})_\d{3}")


@dataclass(frozen=True, slots=True)
class Film:
    """One labelled file.

    Attributes:
        path: Where it lies.
        file: ``CLASS/name``.
        label: 1 for the class folders that hold an opacity, 0 for the others.
        patient: Key of the patient; a file that names none is a patient of its own.
        source: Which set it belongs to.
        aetiology: ``normal``, ``bacterial`` or ``viral`` where the name says so, or empty.
        view: ``AP`` or ``PA`` where ``patients.csv`` says so, or empty.
    """

    path: Path
    file: str
    label: int
    patient: str
    source: str
    aetiology: str = ""
    view: str = ""

    @property
    def is_hard_block(self) -> bool:
        """Whether it lies in one of ``HARD_BLOCKS``."""
        stream, _, number = self.patient.partition(":")
        return stream == "NORMAL2-IM" and any(
            low <= int(number) <= high for low, high in HARD_BLOCKS
        )

    @property
    def is_odd(self) -> bool:
        """Whether the patient's number is odd: the half of NIH patients that is held out."""
        digits = re.findall(r"\d+", self.patient)
        return bool(digits) and int(digits[-1]) % 2 == 1


@dataclass(frozen=True, slots=True)
class Folder:
    """A labelled folder.

    Attributes:
        source: Its name.
        films: In the order of their names.
        duplicates: Files left out because another film of the folder has the same bytes.
    """

    source: str
    films: tuple[Film, ...]
    duplicates: tuple[str, ...]


def read_folder(folder: Path, source: str = "") -> Folder:
    """List a folder that holds at least one of the class folders in ``CLASSES``.

    Of files with equal bytes the first is kept; a content that lies in both classes is left out.

    Args:
        folder: As above, or one whose ``train/`` is.
        source: Name of the set; that of the folder by default.

    Raises:
        DataError: The folder does not exist, or holds no class folder with images.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    root = folder / "train" if (folder / "train").is_dir() else folder
    found = [
        path
        for name in CLASSES
        if (root / name).is_dir()
        for path in sorted((root / name).iterdir())
        if path.suffix.lower() in _SUFFIXES
    ]
    if not found:
        listed = ", ".join(f"{name}/" for name in CLASSES)
        raise DataError(f"{folder} holds no images in any of the class folders {listed}.")
    facts = _read_patients(root / PATIENTS_FILE)
    films = [_film(path, source or folder.name, facts) for path in found]
    return _without_duplicates(source or folder.name, films)


def one_per_patient(films: Iterable[Film]) -> list[Film]:
    """Keep the first film of each patient, by name."""
    first: dict[str, Film] = {}
    for film in sorted(films, key=lambda item: item.file):
        first.setdefault(film.patient, film)
    return list(first.values())


def draw(films: Sequence[Film], count: int) -> list[Film]:
    """At most so many films of each class, always the same ones, in their order."""
    rng = np.random.default_rng(0)
    chosen: set[int] = set()
    for label in (0, 1):
        places = [place for place, film in enumerate(films) if film.label == label]
        chosen |= set(rng.permutation(places)[:count].tolist())
    return [film for place, film in enumerate(films) if place in chosen]


def _read_patients(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "patient"} <= rows[0].keys():
        raise DataError(f"{path} needs the columns file and patient.")
    return {row["file"]: row for row in rows}


def _film(path: Path, source: str, facts: Mapping[str, Mapping[str, str]]) -> Film:
    file = f"{path.parent.name}/{path.name}"
    label = CLASSES[path.parent.name]
    aetiology, stream, number = parse_name(path.name, label)
    known = stream in _STREAMS
    row = facts.get(file, {})
    nih = _NIH_NAME.match(path.name)
    if row.get("patient"):
        patient = f"{source}:{row['patient']}"
    elif known:
        patient = f"{stream}:{number}"
    elif nih:
        patient = f"{source}:{int(nih['patient'])}"
    else:
        patient = f"{source}/{file}"
    return Film(
        path=path,
        file=file,
        label=label,
        patient=patient,
        source=source,
        aetiology=aetiology if known else "",
        view=row.get("view", ""),
    )


def _without_duplicates(source: str, films: Iterable[Film]) -> Folder:
    by_content: dict[str, list[Film]] = {}
    for film in films:
        digest = hashlib.sha256(film.path.read_bytes()).hexdigest()
        by_content.setdefault(digest, []).append(film)
    kept: list[Film] = []
    dropped: list[str] = []
    for group in by_content.values():
        agree = len({film.label for film in group}) == 1
        kept += group[:1] if agree else []
        dropped += [film.file for film in (group[1:] if agree else group)]
    return Folder(source, tuple(kept), tuple(dropped))
