"""How recipes do among images that are framed alike: what is left when the framing tells nothing.

How high the lungs stand in the frame tells the classes of the public data apart by itself, and the
shape of the lungs does not: it is a matter of how the radiographs were taken. A ranking that holds
only between framings may fail on the next archive.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training import metrics
from training.audit import stratified_auc
from training.contests import listed
from training.eda import markdown
from training.framing import read_framing
from training.judged import JOIN, common_folds
from training.metrics import Interval, Labels, bootstrap
from training.out_of_fold import collect

Floats = NDArray[np.float64]


def alike(runs: Path, pairs: Sequence[str], controls: Sequence[str], masks: Path) -> str:
    """The section of a page that compares pairs with their members and controls.

    Args:
        runs: Folder of the runs.
        pairs: ``A+B`` each.
        controls: Further recipes or pairs.
        masks: Folder of lung masks, see ``training.framing``.
    """
    names = {str(name) for pair in pairs for name in collect(runs, pair.split(JOIN)).facts["name"]}
    framing = read_framing(masks, sorted(names))
    rows = [row for pair in pairs for row in alike_rows(runs, pair, controls, framing)]
    return f"""## Among like framings

How high the lungs stand in the frame (height over width of the box around them, after squashing)
tells the classes apart by itself, and it is a matter of how the radiograph was taken. *Among like*
is the AUC over pairs of images from the same sixth of that quantity; a difference is paired.

{markdown(pd.DataFrame(rows))}"""


def alike_rows(
    runs: Path, pair: str, controls: Sequence[str], framing: Mapping[str, float]
) -> list[dict[str, Any]]:
    """A pair beside its members and controls, on the held-out images whose framing is known.

    Args:
        runs: Folder of the runs.
        pair: ``A+B``.
        controls: Further recipes or pairs.
        framing: By name of the image, see ``training.framing``; images without one are left out.

    Returns:
        A row for each system: AUC, and AUC among like framings, with intervals over patients, and
        the paired difference of the latter from the pair's.
    """
    systems = list(dict.fromkeys([pair, *pair.split(JOIN), *controls]))
    folds = common_folds(runs, *systems)
    if not folds:
        return []
    rows: list[dict[str, Any]] = []
    ours: Floats | None = None
    for system in systems:
        predictions = collect(runs, system.split(JOIN), folds)
        framings = np.array([framing.get(str(n), np.nan) for n in predictions.facts["name"]])
        known = np.isfinite(framings)
        scores = predictions.combined("mean")[known, predictions.conditions.index("clean")]
        labels = predictions.labels[known]
        patients = [p for p, is_known in zip(predictions.patients, known, strict=True) if is_known]
        ours = scores if ours is None else ours
        columns = np.stack([scores, ours, framings[known]], axis=1)
        rows.append(
            {
                "system": f"`{system}`",
                "folds": listed(folds),
                "images": int(known.sum()),
                "clean": bootstrap(metrics.auc, labels, scores, patients),
                "among like": bootstrap(_among_like, labels, columns, patients),
                "pair gains": "" if system == pair else _gain(labels, columns, patients),
            }
        )
    return rows


def _gain(labels: Labels, columns: Floats, patients: Sequence[str]) -> Interval:
    def gain(drawn: Labels, scores: Floats) -> float:
        return _among_like(drawn, scores[:, 1:]) - _among_like(drawn, scores)

    return bootstrap(gain, labels, columns, patients)


def _among_like(labels: Labels, columns: Floats) -> float:
    """AUC of the first column among like values of the last one."""
    found = stratified_auc(labels, columns[:, 0], columns[:, -1])
    return float("nan") if found is None else found
