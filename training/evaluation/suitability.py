"""The gate of a bundle: fitted, its limits chosen, and how often it is right about what it gets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from service.inference import (
    MANIFEST_FILE,
    LungsEntry,
    Novelty,
    Segmenter,
    SuitabilityEntry,
    file_sha256,
    load_segmenter,
    open_bundle,
)
from service.lungs import AS_RECEIVED, POSES, Limits, Suitability
from training.data import DataError
from training.evaluation.gate import Seen, choose_limits, fit_novelty, judge, see
from training.evaluation.other_pictures import other_pictures
from training.evaluation.statistics import wilson
from training.evaluation.tables import percent

FILE: Final = "suitability.npz"
THREADS: Final = 2
PICTURES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

_POSED: Final = 50
"""Films that are also judged turned and inverted."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Pictures to fit and to measure the gate on, by the name of their set.

    Attributes:
        training: Folder of films of the kind that the networks were trained on.
        fitted: Films of other hospitals, the even-numbered half of which is fitted too.
        films: Films of other hospitals that have no part in the fit.
        others: Pictures that are no frontal chest films.
        most: Pictures of each set at most.
    """

    training: Path
    fitted: Mapping[str, Path]
    films: Mapping[str, Path]
    others: Mapping[str, Path]
    most: int = 3000


@dataclass(frozen=True, slots=True)
class _Sets:
    """What the network saw, by set: ``fit`` and ``films`` have no picture in common."""

    training: list[Seen]
    fitted: list[Seen]
    children: list[Seen]
    films: dict[str, list[Seen]]
    others: dict[str, list[Seen]]


def build_gate(bundle: Path, sources: Sources) -> dict[str, Any]:
    """Fit a bundle's gate, choose its limits, measure it, and write it into the bundle.

    Returns:
        Limits and shares, as they are written into the manifest.

    Raises:
        DataError: A folder holds no pictures, or the bundle's network gives no features.
        BundleError: The bundle does not verify.
    """
    opened = open_bundle(bundle)
    entry = opened.manifest.lungs
    loaded = load_segmenter(opened, threads=THREADS)
    if entry is None or loaded is None:
        raise DataError("The bundle has no network that finds the lungs.")
    sets = _see_all(loaded.segmenter, entry, sources)
    novelty = fit_novelty(_features(sets.training), _features(sets.fitted))
    limits = choose_limits(
        [seen.look(AS_RECEIVED, novelty) for seen in sets.children],
        [seen.look(AS_RECEIVED, novelty) for films in sets.films.values() for seen in films],
    )
    figures = _measure(sets, novelty, limits)
    novelty.write(bundle / FILE)
    described = SuitabilityEntry(
        file=FILE,
        sha256=file_sha256(bundle / FILE),
        warn_distance=limits.warn_distance,
        refuse_distance=limits.refuse_distance,
        warn_quality=limits.warn_quality,
        refuse_quality=limits.refuse_quality,
        metrics=figures,
    )
    manifest = opened.manifest.model_copy(update={"suitability": described})
    manifest.write(bundle / MANIFEST_FILE)
    return described.model_dump(mode="json")


def pictures_in(folder: Path, most: int) -> list[Path]:
    """Picture files of a folder and its subfolders, at most so many, spread evenly over all.

    Raises:
        DataError: There are none.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise DataError(f"There are no pictures in {folder}.")
    if len(paths) <= most:
        return paths
    return [paths[place] for place in np.linspace(0, len(paths) - 1, most).astype(int)]


def _see_all(segmenter: Segmenter, entry: LungsEntry, sources: Sources) -> _Sets:
    def read(paths: Iterable[Path], *, posed: bool) -> list[Seen]:
        poses = POSES if posed else (AS_RECEIVED,)
        return see(segmenter, entry, (path.read_bytes() for path in paths), poses=poses)

    training = pictures_in(sources.training, sources.most)
    films: dict[str, list[Seen]] = {}
    fitted: list[Seen] = []
    for name, folder in sources.fitted.items():
        paths = pictures_in(folder, sources.most)
        fitted += read(paths[::2], posed=False)
        films[name] = read(paths[1::2], posed=True)
    for name, folder in sources.films.items():
        films[name] = read(pictures_in(folder, sources.most), posed=True)
    others = {
        name: read(pictures_in(folder, sources.most), posed=True)
        for name, folder in sources.others.items()
    }
    drawn: dict[str, list[bytes]] = {}
    for kind, data in other_pictures():
        drawn.setdefault(kind, []).append(data)
    for kind, files in drawn.items():
        others[kind] = see(segmenter, entry, files, poses=POSES)
    held_out = training[1::2]
    children = read(held_out[:_POSED], posed=True) + read(held_out[_POSED:], posed=False)
    return _Sets(read(training[::2], posed=False), fitted, children, films, others)


def _features(seen: Sequence[Seen]) -> Any:
    return np.stack([each.features[0] for each in seen]) if seen else np.empty((0, 0), np.float32)


def _measure(sets: _Sets, novelty: Novelty, limits: Limits) -> dict[str, Any]:
    def shares(pictures: Sequence[Seen]) -> dict[str, Any]:
        return _shares([judge(seen, novelty, limits) for seen in pictures])

    films = {"training set, held out": sets.children, **sets.films}
    posed = [seen for seen in sets.children if len(seen.fields) == len(POSES)]
    return {
        "frontal": {name: shares(pictures) for name, pictures in films.items()},
        "other": {name: shares(pictures) for name, pictures in sets.others.items()},
        "posed": {
            _pose_name(pose): _shares([judge(seen, novelty, limits, pose) for seen in posed])
            for pose in POSES[1:]
        },
    }


def _shares(found: Sequence[Suitability]) -> dict[str, Any]:
    """Shares of pictures that were refused, warned of, and accepted without a word."""
    count = len(found)
    refused = sum(each.refusal is not None for each in found)
    warned = sum(bool(each.warnings) for each in found)
    codes = Counter(code for each in found for code in each.warnings)
    return {
        "pictures": count,
        "refused": _proportion(refused, count),
        "warned": _proportion(warned, count),
        "accepted": _proportion(count - refused - warned, count),
        "codes": dict(sorted(codes.items())),
    }


def _proportion(successes: int, trials: int) -> dict[str, float]:
    return wilson(successes, trials).as_json()


def _pose_name(pose: Any) -> str:
    turned = {0: "", 1: "turned left", 2: "upside down", 3: "turned right"}[pose.turns]
    return ", ".join(filter(None, (turned, "negative" if pose.inverted else "")))


def gate_table(entry: Mapping[str, Any]) -> str:
    """The shares as Markdown tables for the card."""
    titles = {
        "frontal": "Frontal chest films",
        "posed": "The first of them as they should not be sent",
        "other": "Other pictures",
    }
    lines: list[str] = []
    for group, title in titles.items():
        lines += [f"| {title} | pictures | refused | warned | accepted without a warning |"]
        lines += ["| --- | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {name} | {row['pictures']} | {percent(row['refused'])} "
            f"| {percent(row['warned'])} | {percent(row['accepted'])} |"
            for name, row in entry["metrics"][group].items()
        ]
        lines.append("")
    return "\n".join(lines)
