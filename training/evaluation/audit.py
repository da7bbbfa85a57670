"""The shortcut audit: does the probability follow how a film was taken and stored?

Within a true class nothing of that should rank the films as the probability does. A rank alone is
no proof: an opaque lung has less texture, and makes a smaller file.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier

from service.inference import Manifest
from training.evaluation.figures import label_array
from training.evaluation.nuisance import FRAME, NUISANCES
from training.evaluation.scoring import answered, probabilities
from training.evaluation.statistics import auc, bootstrap, stratified_auc

LIMIT: Final = 0.2
"""Absolute rank correlation above which a nuisance is reported as a possible shortcut."""

Floats = NDArray[np.float64]


def audit(table: pd.DataFrame, manifest: Manifest) -> dict[str, Any]:
    """Everything that the audit says of a table of scores.

    Args:
        table: Out-of-fold scores under no condition, with a column ``fold``.
        manifest: Calibration.

    Returns:
        ``films``; ``nuisance_auc``, out of fold, of a model that reads ``FRAME`` and no pixel of
        the lungs; ``auc`` of the bundle; ``alike_auc``, among films that are alike to that model;
        ``ranks``, see ``rank_correlations``; ``above_limit``, those of them above ``LIMIT``.
    """
    rows = answered(table)
    labels, scores = label_array(rows), probabilities(rows, manifest)
    patients = rows["patient"].astype(str).tolist()
    propensity = nuisance_propensity(rows)
    ranks = rank_correlations(rows, scores)
    both = np.stack([scores, propensity], axis=1)
    return {
        "films": len(rows),
        "lungs_known": int(rows["left"].notna().sum()),
        "nuisance_auc": bootstrap(auc, labels, propensity, patients).as_json(),
        "auc": bootstrap(auc, labels, scores, patients).as_json(),
        "alike_auc": bootstrap(_alike, labels, both, patients).as_json(),
        "limit": LIMIT,
        "ranks": ranks,
        "above_limit": [row for row in ranks if abs(row["rank_correlation"]) > LIMIT],
    }


def nuisance_propensity(table: pd.DataFrame) -> Floats:
    """Probability of pneumonia by nuisances alone, each film's by a model without its fold.

    Args:
        table: With the columns ``FRAME``, ``label`` and ``fold``. NaN is a value like others.

    Returns:
        Shape (rows,), from 0 to 1.
    """
    facts = table[list(FRAME)].to_numpy(dtype=np.float64)
    labels, folds = label_array(table), table["fold"].to_numpy()
    propensity = np.zeros(len(table))
    for fold in np.unique(folds):
        here = folds == fold
        model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        model.fit(facts[~here], labels[~here])
        propensity[here] = model.predict_proba(facts[here])[:, 1]
    return propensity


def rank_correlations(table: pd.DataFrame, scores: Floats) -> list[dict[str, Any]]:
    """Spearman's rank correlation of scores with each nuisance within each true class.

    Args:
        table: With the columns ``NUISANCES`` and ``label``.
        scores: Shape (rows,).

    Returns:
        Rows of ``label``, ``nuisance``, ``films`` and ``rank_correlation``, the strongest first. A
        nuisance with fewer than three values ranks nothing and is left out.
    """
    labels = label_array(table)
    rows = []
    for label in (0, 1):
        for name in NUISANCES:
            values = table[name].to_numpy(dtype=np.float64)
            used = (labels == label) & np.isfinite(values)
            if len(np.unique(values[used])) < 3:
                continue
            rank = float(spearmanr(values[used], scores[used]).statistic)
            rows.append(
                {
                    "label": label,
                    "nuisance": name,
                    "films": int(used.sum()),
                    "rank_correlation": round(rank, 3),
                }
            )
    return sorted(rows, key=lambda row: -abs(float(str(row["rank_correlation"]))))


def _alike(labels: NDArray[np.int64], columns: Floats) -> float:
    return stratified_auc(labels, columns[:, 0], columns[:, 1])
