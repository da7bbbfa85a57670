"""Tables of scores and folders of films with known answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from service.inference import Manifest
from tests.fake_engine import fake_bundle
from tests.phantom import phantom
from training.evaluation.nuisance import NUISANCES
from training.evaluation.scoring import LUNGS


def manifest(threshold: float = 0.5) -> Manifest:
    """Of two members, ``checksum`` and ``mean``, whose mean is not calibrated."""
    plain = {"method": "none", "slope": 1.0, "intercept": 0.0, "fitted_on": ""}
    content = fake_bundle().manifest.model_dump(mode="json")
    rule = {"value": threshold, "rule": "for tests"}
    return Manifest.model_validate(content | {"calibration": plain, "threshold": rule})


def table(
    labels: Sequence[int], scores: Sequence[float], columns: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Scores of films of as many patients; both members answer alike."""
    clipped = np.clip(np.asarray(scores, dtype=np.float64), 1e-6, 1 - 1e-6)
    logits = np.log(clipped / (1 - clipped))
    count = len(labels)
    content: dict[str, Any] = {
        "source": "made-up",
        "file": [f"film-{number}" for number in range(count)],
        "label": list(labels),
        "patient": [f"patient:{number}" for number in range(count)],
        "aetiology": "",
        "view": "",
        "hard_block": False,
        "odd": [number % 2 == 1 for number in range(count)],
        "refused": "",
        "logit:checksum": logits,
        "logit:mean": logits,
        **dict.fromkeys((*LUNGS, *NUISANCES), 0.0),
        "fold": [number % 5 for number in range(count)],
    }
    return pd.DataFrame(content | dict(columns or {}))


def write_films(folder: Path, classes: Mapping[str, int], side: int = 64) -> Path:
    """Phantoms in class folders, so many of each, none like another."""
    seed = 0
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(1, count + 1):
            seed += 1
            picture = phantom(seed, (side, side), float(name != "NORMAL"))
            picture.save(folder / name / f"{number:03d}.png")
    return folder
