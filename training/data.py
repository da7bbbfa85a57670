"""The public data set as a table: who is a patient, what is a duplicate, which fold is whose.

Names carry the facts: ``personN_bacteria_M``, ``personN_virus_M``, ``IM-N-M`` and
``NORMAL2-IM-N-M``. N counts separately in each of these four streams, so a patient is (stream, N):
grouping by N alone would merge strangers. The official splits cut each stream into contiguous
blocks of N; folds do the same, because a random split would hide the shift in acquisition between
blocks.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rich.progress import track

from service.imaging import ImagingError, Radiograph, decode

Aetiology = Literal["normal", "bacterial", "viral"]

CLASS_FOLDERS: Final = ("NORMAL", "PNEUMONIA")
FOLDS: Final = 5
MAX_UNREADABLE_SHARE: Final = 0.01

_IMAGE_SUFFIXES: Final = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_PNEUMONIA_NAME: Final = re.compile(r"person(?P<number>\d+)_(?P<kind>bacteria|virus)_\d+")
_NORMAL_NAME: Final = re.compile(r"(?P<stream>IM|NORMAL2-IM)-(?P<number>\d+)-\d+")
_AETIOLOGY: Final[dict[str, Aetiology]] = {"bacteria": "bacterial", "virus": "viral"}


class DataError(Exception):
    """The data folder cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image file of the data set.

    Attributes:
        path: Where it lies.
        name: ``CLASS/file`` as in the public download; equal for every copy of the data.
        label: 1 for pneumonia, 0 for normal.
        aetiology: What the file's name says of the cause.
        stream: Which of the data set's counters numbered the patient.
        number: The patient's number within the stream.
        sha256: Hexadecimal digest of the file.
    """

    path: Path
    name: str
    label: int
    aetiology: Aetiology
    stream: str
    number: int
    sha256: str

    @property
    def patient(self) -> str:
        """Key of the patient, unique over the data set."""
        return f"{self.stream}:{self.number}"


@dataclass(frozen=True, slots=True)
class Scan:
    """A data folder after reading: what is usable, and what was left out and why."""

    records: tuple[Record, ...]
    unreadable: tuple[str, ...]
    duplicates: tuple[str, ...]

    @property
    def digest(self) -> str:
        """``sha256:...`` over the sorted names and digests of the usable images."""
        lines = sorted(f"{record.name}\t{record.sha256}" for record in self.records)
        return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def parse_name(name: str, label: int) -> tuple[Aetiology, str, int]:
    """Read aetiology, stream and patient number off a file's name.

    A file named otherwise is a patient of its own stream, numbered by a digest of its name, so that
    any labelled folder can be evaluated.
    """
    if label and (match := _PNEUMONIA_NAME.match(name)):
        return _AETIOLOGY[match["kind"]], f"person-{match['kind']}", int(match["number"])
    if not label and (match := _NORMAL_NAME.match(name)):
        return "normal", match["stream"], int(match["number"])
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    return ("bacterial" if label else "normal"), f"other-{label}", number


def read_radiograph(path: Path) -> Radiograph:
    """Decode one file of the data set exactly as the service does."""
    return decode(path.read_bytes())


def scan(folder: Path) -> Scan:
    """List a labelled folder (``NORMAL/`` and ``PNEUMONIA/``), reading every file once.

    Raises:
        DataError: A class folder is missing or empty, or over 1 % of the files are unreadable.
    """
    found = [_files_of(folder, name) for name in CLASS_FOLDERS]
    paths = [path for files in found for path in files]
    with ThreadPoolExecutor() as pool:
        results = list(
            track(pool.map(_record, paths), total=len(paths), description=f"Reading {folder.name}")
        )
    unreadable = tuple(result for result in results if isinstance(result, str))
    if len(unreadable) > MAX_UNREADABLE_SHARE * len(paths):
        listed = ", ".join(unreadable[:5])
        raise DataError(
            f"{len(unreadable)} of {len(paths)} images cannot be read ({listed}, ...). "
            "Fetch the data set again; at most 1 % may be damaged."
        )
    records, duplicates = _without_duplicates(r for r in results if isinstance(r, Record))
    return Scan(records, unreadable, duplicates)


def assign_folds(records: Iterable[Record], folds: int = FOLDS) -> dict[str, int]:
    """Give each patient a fold: block k of every stream, in the order of patient numbers.

    Returns:
        Fold, from 0 to ``folds - 1``, by patient key. Fold 0 holds the lowest numbers.
    """
    streams: dict[str, set[int]] = {}
    for record in records:
        streams.setdefault(record.stream, set()).add(record.number)
    assigned: dict[str, int] = {}
    for stream, numbers in streams.items():
        for rank, number in enumerate(sorted(numbers)):
            assigned[f"{stream}:{number}"] = rank * folds // len(numbers)
    return assigned


def folds_digest(assigned: dict[str, int]) -> str:
    """``sha256:...`` over the sorted list of patients and their folds."""
    lines = "\n".join(f"{patient}\t{fold}" for patient, fold in sorted(assigned.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def one_per_patient(records: Iterable[Record]) -> list[Record]:
    """Keep the first image of each patient, by name: evaluation counts no patient twice."""
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda item: item.name):
        first.setdefault(record.patient, record)
    return list(first.values())


def _files_of(folder: Path, class_name: str) -> list[Path]:
    class_folder = folder / class_name
    if not class_folder.is_dir():
        raise DataError(
            f"{folder} has no folder {class_name}/. Give a folder that holds "
            f"{' and '.join(f'{name}/' for name in CLASS_FOLDERS)}, such as chest_xray/train."
        )
    files = sorted(p for p in class_folder.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{class_folder} holds no images.")
    return files


def _record(path: Path) -> Record | str:
    name = f"{path.parent.name}/{path.name}"
    try:
        radiograph = read_radiograph(path)
    except (ImagingError, OSError):
        return name
    label = CLASS_FOLDERS.index(path.parent.name)
    aetiology, stream, number = parse_name(path.name, label)
    return Record(path, name, label, aetiology, stream, number, radiograph.sha256)


def _without_duplicates(records: Iterable[Record]) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Keep one file of each content; a content that lies in both classes is left out altogether."""
    by_content: dict[str, list[Record]] = {}
    for record in records:
        by_content.setdefault(record.sha256, []).append(record)
    kept: list[Record] = []
    dropped: list[str] = []
    for group in by_content.values():
        agree = len({record.label for record in group}) == 1
        kept.extend(group[:1] if agree else ())
        dropped.extend(record.name for record in (group[1:] if agree else group))
    return tuple(kept), tuple(dropped)


def split(
    records: Sequence[Record], assigned: dict[str, int], fold: int | None
) -> tuple[list[Record], list[Record]]:
    """Training and held-out records of a fold; with None all train and none is held out."""
    training = [r for r in records if fold is None or assigned[r.patient] != fold]
    held_out = [r for r in records if fold is not None and assigned[r.patient] == fold]
    return training, held_out
