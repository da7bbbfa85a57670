"""The gate of a bundle: fitted, its limits chosen, and how often it is right about what it gets."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
from service.lungs import AS_RECEIVED, MAX_CHROMA, POSES, Limits, Look, Suitability
from training.data import DataError
from training.evaluation.gate import Seen, choose_limits, fit_novelty, fit_others, judge, see
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
        others: Pictures that are no frontal chest films. Half of them is fitted, but for those with
            colours: they may be photographs of chest films.
        most: Pictures of each set at most.
    """

    training: Path
    fitted: Mapping[str, Path]
    films: Mapping[str, Path]
    others: Mapping[str, Path]
    most: int = 3000


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What the network saw of the pictures that are fitted."""

    training: list[Seen]
    films: list[Seen]
    others: dict[str, list[Seen]]

    def novelty(self) -> Novelty:
        """How films are distributed, and how to tell them from the others."""
        training, films = _features(self.training), _features(self.films)
        kinds = {
            kind: _features(grey)
            for kind, pictures in self.others.items()
            if (grey := [seen for seen in pictures if seen.radiograph.chroma <= MAX_CHROMA])
        }
        return fit_others(fit_novelty(training, films), training, films, kinds)


@dataclass(frozen=True, slots=True)
class _Films:
    """True films of both kinds that were not fitted: half to choose limits, half to measure."""

    children: list[Seen]
    films: dict[str, list[Seen]]


def build_gate(bundle: Path, sources: Sources) -> dict[str, Any]:
    """Fit a bundle's gate, choose its limits, measure it, and write it into the bundle.

    No picture is in two of the three parts: those that are fitted, the films that the limits are
    chosen on, and what is measured.

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
    fitted, choosing, measured, others = _see_all(loaded.segmenter, entry, sources)
    novelty = fitted.novelty()

    def looks(pictures: Iterable[Seen]) -> list[Look]:
        return [seen.look(AS_RECEIVED, novelty) for seen in pictures]

    films = chain.from_iterable(choosing.films.values())
    limits = choose_limits(looks(choosing.children), looks(films))
    figures = _measure(measured, others, novelty, limits)
    novelty.write(bundle / FILE)
    described = SuitabilityEntry(
        file=FILE,
        sha256=file_sha256(bundle / FILE),
        **dataclasses.asdict(limits),
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


def halves(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Pictures in two parts; what belongs together by the start of its name stays together."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(re.split(r"[^0-9A-Za-z]", path.stem)[0], []).append(path)
    ordered = list(groups.values())
    first, second = (list(chain.from_iterable(ordered[start::2])) for start in (0, 1))
    return first, second


def _see_all(
    segmenter: Segmenter, entry: LungsEntry, sources: Sources
) -> tuple[_Fitted, _Films, _Films, dict[str, list[Seen]]]:
    """Pictures to fit, to choose limits on, and to measure: films, and others."""

    def read(paths: Iterable[Path], *, posed: bool = False) -> list[Seen]:
        poses = POSES if posed else (AS_RECEIVED,)
        return see(segmenter, entry, (path.read_bytes() for path in paths), poses=poses)

    training = pictures_in(sources.training, sources.most)
    left = {name: pictures_in(path, sources.most) for name, path in sources.films.items()}
    fitted = _Fitted(read(training[::2]), [], {})
    for name, folder in sources.fitted.items():
        paths = pictures_in(folder, sources.most)
        fitted.films.extend(read(paths[::2]))
        left[name] = paths[1::2]
    others: dict[str, list[Seen]] = {}
    for name, folder in sources.others.items():
        shown, used = halves(pictures_in(folder, sources.most))
        others[name], fitted.others[name] = read(shown, posed=True), read(used)
    drawn: dict[str, list[bytes]] = {}
    for kind, data in other_pictures():
        drawn.setdefault(kind, []).append(data)
    for kind, files in drawn.items():
        others[kind] = see(segmenter, entry, files[::2], poses=POSES)
        fitted.others[kind] = see(segmenter, entry, files[1::2], poses=(AS_RECEIVED,))
    choosing = _Films(read(training[1::4]), {name: read(each[::2]) for name, each in left.items()})
    shown = training[3::4]
    measured = _Films(
        read(shown[:_POSED], posed=True) + read(shown[_POSED:]),
        {name: read(each[1::2], posed=True) for name, each in left.items()},
    )
    return fitted, choosing, measured, others


def _features(seen: Sequence[Seen]) -> Any:
    return np.stack([each.features[0] for each in seen]) if seen else np.empty((0, 0), np.float32)


def _measure(
    measured: _Films, others: Mapping[str, Sequence[Seen]], novelty: Novelty, limits: Limits
) -> dict[str, Any]:
    def shares(pictures: Sequence[Seen]) -> dict[str, Any]:
        return _shares([judge(seen, novelty, limits) for seen in pictures])

    films = {"training set, held out": measured.children, **measured.films}
    posed = [seen for seen in measured.children if len(seen.fields) == len(POSES)]
    return {
        "frontal": {name: shares(pictures) for name, pictures in films.items() if pictures},
        "other": {name: shares(pictures) for name, pictures in others.items() if pictures},
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
