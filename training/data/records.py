"""The films of a labelled folder: who is a patient, what is a duplicate.

In the training set, names carry the facts: ``personN_bacteria_M``, ``personN_virus_M``, ``IM-N-M``
and ``NORMAL2-IM-N-M``. N counts separately in each of these four streams, so a patient is
(stream, N): grouping by N alone would merge strangers.
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

Aetiology = Literal["normal", "bacterial", "viral", "unknown"]

CLASS_FOLDERS: Final = ("NORMAL", "PNEUMONIA")
"""Class folders of the training set; the second holds the positives."""

_NEGATIVE: Final = ("NORMAL", "NO_FINDING")
_POSITIVE: Final = ("PNEUMONIA", "OPACITY", "TB")

MAX_UNREADABLE_SHARE: Final = 0.01

_IMAGE_SUFFIXES: Final = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_PNEUMONIA_NAME: Final = re.compile(r"person(?P<number>\d+)_(?P<kind>bacteria|virus)_\d+")
_NORMAL_NAME: Final = re.compile(r"(?P<stream>IM|NORMAL2-IM)-(?P<number>\d+)-\d+")
_NIH_NAME: Final = re.compile(r"(?P<number>\d{8})_\d{3}\.")
_AETIOLOGY: Final[dict[str, Aetiology]] = {"bacteria": "bacterial", "virus": "viral"}


class DataError(Exception):
    """The data folder cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Record:
    """One image file of a data set.

    Attributes:
        path: Where it lies.
        name: ``CLASS/file`` as in the public download; equal for every copy of the data.
        label: 1 for pneumonia (or an opacity, or tuberculosis), 0 for normal.
        aetiology: The cause, as far as the file's name says it.
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
    """Read aetiology, stream and patient number from a file's name.

    A file named otherwise is a patient of its own stream, numbered by a digest of its name, so that
    any labelled folder can be evaluated.
    """
    if label and (match := _PNEUMONIA_NAME.match(name)):
        return _AETIOLOGY[match["kind"]], f"person-{match['kind']}", int(match["number"])
    if not label and (match := _NORMAL_NAME.match(name)):
        return "normal", match["stream"], int(match["number"])
    aetiology: Aetiology = "unknown" if label else "normal"
    if match := _NIH_NAME.match(name):
        return aetiology, "NIH", int(match["number"])
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    return aetiology, f"other-{label}", number


def read_radiograph(path: Path) -> Radiograph:
    """Decode one file of the data set exactly as the service does."""
    return decode(path.read_bytes())


def class_folders(folder: Path) -> tuple[str, ...]:
    """Names of the class folders that a folder holds, the negative class first.

    ``NORMAL`` or ``NO_FINDING``, and ``PNEUMONIA``, ``OPACITY`` or ``TB``; either may be missing.
    """
    return tuple(name for name in (*_NEGATIVE, *_POSITIVE) if (folder / name).is_dir())


def scan(folder: Path, classes: Sequence[str] = CLASS_FOLDERS) -> Scan:
    """List a labelled folder, reading every file once.

    Args:
        folder: Holds the class folders.
        classes: Their names, see ``class_folders``.

    Raises:
        DataError: A class folder is missing or empty, or over 1 % of the files are unreadable.
    """
    found = [_files_of(folder, name, classes) for name in classes]
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


def one_per_patient(records: Iterable[Record]) -> list[Record]:
    """Keep the first image of each patient, by name: evaluation counts no patient twice."""
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda item: item.name):
        first.setdefault(record.patient, record)
    return list(first.values())


def _files_of(folder: Path, class_name: str, classes: Sequence[str]) -> list[Path]:
    class_folder = folder / class_name
    if not class_folder.is_dir():
        raise DataError(
            f"{folder} has no folder {class_name}/. Give a folder that holds "
            f"{' and '.join(f'{name}/' for name in classes)}, such as chest_xray/train."
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
    label = int(path.parent.name in _POSITIVE)
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
